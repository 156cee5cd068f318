"""The line in front of one host's connections."""

import asyncio

import pytest

from mailyard.relay.connector import Refusal
from mailyard.relay.site import Site, SiteBusy
from mailyard.smtp.client import Step
from mailyard.smtp.client.replies import own_reply


class Thing:
    def __init__(self, idle_since: float = 0.0) -> None:
        self.idle_since = idle_since
        self.usable = True

    def close(self) -> None:
        self.usable = False


DOWN = Refusal(Step.CONNECT, own_reply(451, "4.4.1", "down"), "mx", own=True)


async def test_slots_are_limited_and_given_on_in_order() -> None:
    site: Site[Thing] = Site(connections=1, waiting=2)
    assert await site.enter(1) is None
    first = asyncio.create_task(site.enter(5))
    second = asyncio.create_task(site.enter(5))
    await asyncio.sleep(0)
    with pytest.raises(SiteBusy, match="in use"):
        await site.enter(5)
    thing = Thing()
    site.leave(thing)
    assert await first is thing
    assert not second.done()
    site.leave(None)
    assert await second is None
    assert site._in_use == 1


async def test_who_waits_too_long_is_sent_away() -> None:
    site: Site[Thing] = Site(connections=1, waiting=1)
    await site.enter(1)
    with pytest.raises(SiteBusy, match="too long"):
        await site.enter(0.01)
    site.leave(None)
    assert site._in_use == 0


async def test_a_slot_that_comes_at_the_moment_of_cancelling_is_not_lost() -> None:
    site: Site[Thing] = Site(connections=1, waiting=2)
    await site.enter(1)
    first = asyncio.create_task(site.enter(5))
    second = asyncio.create_task(site.enter(5))
    await asyncio.sleep(0)
    thing = Thing()
    site.leave(thing)
    first.cancel()
    assert await second is thing
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_freshest_idle_session_is_used_first() -> None:
    site: Site[Thing] = Site(connections=2, waiting=0)
    old, new = Thing(1), Thing(2)
    for _ in range(2):
        await site.enter(1)
    for thing in (old, new):
        site.leave(thing)
    assert await site.enter(1) is new


async def test_old_and_dead_idle_sessions_are_taken_out() -> None:
    site: Site[Thing] = Site(connections=3, waiting=0)
    things = old, dead, good = Thing(1), Thing(9), Thing(9)
    for _ in things:
        await site.enter(1)
    for thing in things:
        site.leave(thing)
    dead.usable = False
    assert site.take_idle(5) == [old, dead]
    assert await site.enter(1) is good


async def test_a_host_that_is_down_rests_until_its_time() -> None:
    site: Site[Thing] = Site(connections=1, waiting=0)
    assert site.unused
    site.rest(DOWN, 10.0)
    assert site.refusal(9.9) is DOWN
    assert not site.unused
    assert site.refusal(10.0) is None
    assert site.unused
    site.rest(DOWN, 20.0)
    site.reached()
    assert site.refusal(10.0) is None


async def test_everybody_in_line_is_sent_away_at_the_end() -> None:
    site: Site[Thing] = Site(connections=1, waiting=2)
    await site.enter(1)
    waiting = [asyncio.create_task(site.enter(5)) for _ in range(2)]
    await asyncio.sleep(0)
    site.dismiss()
    for task in waiting:
        with pytest.raises(SiteBusy, match="stopping"):
            await task
