"""The line in front of one site's connections, and which hosts are one site."""

import asyncio

import pytest

from mailyard.relay.busy import BusyWait, SiteBusy
from mailyard.relay.route import Host
from mailyard.relay.site import Site, WaitingLegs, registered_domain, site_of


def site(connections: int, waiting: int) -> Site:
    return Site(connections, waiting, WaitingLegs(100), BusyWait(30, 900, lambda: 0.5), lambda: 0.0)


async def test_rights_are_limited_and_given_on_in_order() -> None:
    one = site(connections=1, waiting=2)
    await one.enter(1)
    first = asyncio.create_task(one.enter(5))
    second = asyncio.create_task(one.enter(5))
    await asyncio.sleep(0)
    with pytest.raises(SiteBusy, match="in use"):
        await one.enter(5)
    one.leave()
    await first
    assert not second.done()
    one.leave()
    await second
    assert one.in_use == 1


async def test_who_waits_too_long_is_sent_away() -> None:
    one = site(connections=1, waiting=1)
    await one.enter(1)
    with pytest.raises(SiteBusy, match="too long"):
        await one.enter(0.01)
    one.leave()
    assert one.in_use == 0


async def test_a_right_that_comes_at_the_moment_of_cancelling_is_not_lost() -> None:
    one = site(connections=1, waiting=2)
    await one.enter(1)
    first = asyncio.create_task(one.enter(5))
    second = asyncio.create_task(one.enter(5))
    await asyncio.sleep(0)
    one.leave()
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert one.in_use == 1


async def test_a_limit_that_falls_lets_nobody_in_until_enough_have_left() -> None:
    one = site(connections=3, waiting=3)
    for _ in range(3):
        await one.enter(1)
    waiting = [asyncio.create_task(one.enter(5)) for _ in range(3)]
    await asyncio.sleep(0)
    one.limit = 1
    one.leave()
    one.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [False] * 3
    one.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False, False]
    one.limit = 3
    one.serve()
    await asyncio.gather(*waiting)


async def test_long_lines_of_slow_sites_leave_legs_in_hand_to_others() -> None:
    lines = WaitingLegs(most=5)
    slow, other = (Site(2, 500, lines, BusyWait(30, 900, lambda: 0.5), lambda: 0.0) for _ in range(2))
    for one in (slow, other):
        await one.enter(1)
        await one.enter(1)
    waiting = [asyncio.create_task(slow.enter(5)) for _ in range(7)]
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [False] * 5 + [True] * 2
    short = [asyncio.create_task(other.enter(5)) for _ in range(3)]  # a short line may always form
    await asyncio.sleep(0)
    assert [task.done() for task in short] == [False, False, True]
    slow.dismiss()
    other.dismiss()
    await asyncio.gather(*waiting, *short, return_exceptions=True)
    assert lines.waiting == 0


async def test_everybody_in_line_is_sent_away_at_the_end() -> None:
    one = site(connections=1, waiting=2)
    await one.enter(1)
    waiting = [asyncio.create_task(one.enter(5)) for _ in range(2)]
    await asyncio.sleep(0)
    one.dismiss()
    for task in waiting:
        with pytest.raises(SiteBusy, match="stopping"):
            await task


def test_a_site_that_stays_busy_makes_legs_wait_longer_up_to_a_limit() -> None:
    wait = BusyWait(30, 200, lambda: 0.5)
    now, waits = 0.0, []
    for _ in range(6):
        waits.append(wait.next(now))
        assert wait.next(now) == waits[-1]  # all legs of one moment wait alike, before jitter
        now += waits[-1]
    assert waits == [30, 60, 120, 200, 200, 200]
    assert wait.goes_on(now)
    wait.end()
    assert not wait.goes_on(now)
    assert wait.next(now) == 30
    assert wait.next(now + 1000) == 30  # long after


def test_the_waits_of_legs_are_spread() -> None:
    draws = iter([0.0, 0.25, 1.0])
    wait = BusyWait(40, 900, lambda: next(draws))
    assert [wait.next(0.0) for _ in range(3)] == [20, 30, 60]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("mx1.evil.test", "evil.test"),
        ("a.b.c.Evil.Test.", "evil.test"),
        ("mx.example.co.uk", "example.co.uk"),
        ("mx.example.com.vn", "example.com.vn"),
        ("example.co.uk", "example.co.uk"),
        ("mx.example.vn", "example.vn"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_below_one_registered_domain_are_one_site(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
    assert site_of(Host(name, 25, ()), configured=False) == domain


def test_a_provider_is_one_site_and_a_next_hop_is_one_of_its_own() -> None:
    for name in ("a-com.mail.protection.outlook.com", "b-org.mail.protection.outlook.com"):
        assert site_of(Host(name, 25, ()), configured=False) == "microsoft"
    assert site_of(Host("alt1.aspmx.l.google.com", 25, ()), configured=False) == "google"
    assert site_of(Host("[192.0.2.1]", 25, ()), configured=False) == "[192.0.2.1]"
    assert site_of(Host("mx.evil.test", 2525, ()), configured=True) == "mx.evil.test:2525"
