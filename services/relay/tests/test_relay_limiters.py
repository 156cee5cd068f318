"""The connections in all: who gets how many, and who is served first."""

import asyncio

import pytest

from mailyard.relay.busy import AddressesBusy, SiteBusy, Stopping
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits
from mailyard.relay.site import WaitingLegs
from mailyard.relay.standing import QUICK_SECONDS, SLOW_SECONDS, Speeds, Standing

GOOD, UNKNOWN, SLOW = Standing.GOOD, Standing.UNKNOWN, Standing.SLOW
LIMITS = ConnectionLimits(connections=10, tenant=0.5, slow=0.4, reserve=0.2)


async def entered(limiter: ConnectionLimiter, standing: Standing, most: int = 20) -> int:
    """How many of this standing get a connection, each of a tenant of its own."""
    for number in range(most):
        try:
            await limiter.enter(standing, f"{standing.name}-{number}-{limiter.used}", 0.001)
        except SiteBusy:
            return number
    return most


async def test_slow_sites_get_their_share_unknown_ones_all_but_the_reserve_and_good_ones_everything() -> None:
    limiter = ConnectionLimiter(LIMITS)
    assert await entered(limiter, SLOW) == 4
    assert await entered(limiter, UNKNOWN) == 4
    assert await entered(limiter, GOOD) == 2
    assert limiter.used == 10
    limiter.leave(SLOW, "SLOW-0-0")
    assert await entered(limiter, UNKNOWN) == 0
    assert await entered(limiter, GOOD) == 1


async def test_one_tenant_gets_its_share_and_the_others_the_rest() -> None:
    limiter = ConnectionLimiter(LIMITS)
    for _ in range(5):
        await limiter.enter(GOOD, "a", 1)
    with pytest.raises(SiteBusy, match="share"):
        await limiter.enter(GOOD, "a", 1)
    await limiter.enter(UNKNOWN, "b", 1)
    limiter.leave(GOOD, "a")
    await limiter.enter(GOOD, "a", 1)


async def test_within_a_tenant_s_share_slow_hosts_leave_room_for_new_sites_and_for_good_ones() -> None:
    limiter = ConnectionLimiter(ConnectionLimits(connections=100, tenant=0.5, slow=1, reserve=0.1))

    async def most(standing: Standing, *, first: bool) -> int:
        for number in range(100):
            try:
                await limiter.enter(standing, "a", 0.001, first=first)
            except SiteBusy:
                return number
        return 100

    assert await most(SLOW, first=True) == 40
    assert await most(UNKNOWN, first=False) == 0
    assert await most(UNKNOWN, first=True) == 5
    assert await most(GOOD, first=False) == 5


async def test_a_free_connection_goes_to_the_best_standing_first() -> None:
    limiter = ConnectionLimiter(ConnectionLimits(connections=2, tenant=1, slow=1, reserve=0))
    order: list[Standing] = []

    async def wait(standing: Standing) -> None:
        await limiter.enter(standing, standing.name, 5)
        order.append(standing)
        limiter.leave(standing, standing.name)

    await limiter.enter(UNKNOWN, "a", 1)
    await limiter.enter(UNKNOWN, "b", 1)
    waiting = []
    for standing in (SLOW, UNKNOWN, GOOD):
        waiting.append(asyncio.create_task(wait(standing)))
        await asyncio.sleep(0)
    limiter.leave(UNKNOWN, "a")
    await asyncio.gather(*waiting)
    assert order == [GOOD, UNKNOWN, SLOW]


async def test_a_waiter_that_is_cancelled_or_late_leaves_nothing_behind() -> None:
    limiter = ConnectionLimiter(ConnectionLimits(connections=1, tenant=1, slow=1, reserve=0))
    await limiter.enter(GOOD, "a", 1)
    late = asyncio.create_task(limiter.enter(GOOD, "b", 0.01))
    with pytest.raises(SiteBusy):
        await late
    cancelled = asyncio.create_task(limiter.enter(GOOD, "c", 5))
    await asyncio.sleep(0)
    limiter.leave(GOOD, "a")
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await limiter.enter(GOOD, "d", 1)
    assert limiter.used == 1
    assert set(limiter._of_tenant) == {"d"}


async def test_connections_are_short_from_seventy_percent_on() -> None:
    limiter = ConnectionLimiter(LIMITS)
    for number in range(7):
        assert not limiter.busy
        await limiter.enter(GOOD, str(number), 1)
    assert limiter.busy


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("192.0.2.{}", "192.0.3.1"),
        ("2001:db8:0:{:x}::1", "2001:db8:1::1"),
        ("::ffff:192.0.2.{}", "2001:db8::1"),
        ("64:ff9b::192.0.2.{}", "192.0.3.1"),
    ],
)
def test_one_network_has_its_connections_whatever_the_addresses(inside: str, outside: str) -> None:
    networks = NetworkLimiter(NetworkLimits(address=2, network=5))
    assert [networks.take(inside.format(number)) for number in range(1, 8)] == [True] * 5 + [False] * 2
    assert networks.take(outside)
    networks.free(inside.format(1))
    assert networks.take(inside.format(9))


def test_one_address_has_its_connections_and_a_slash_64_is_one_address() -> None:
    networks = NetworkLimiter(NetworkLimits(address=2, network=50))
    assert [networks.take(f"2001:db8::{number}") for number in range(1, 4)] == [True, True, False]
    assert [networks.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert not networks.take("::ffff:192.0.2.1")
    for address in ("2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.1"):
        networks.free(address)
    assert not networks._taken


async def test_a_place_that_is_free_goes_to_the_first_leg_that_has_room_there() -> None:
    networks, lines = NetworkLimiter(NetworkLimits(address=1, network=3)), WaitingLegs(10)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        networks.take(address)
    waits = [
        asyncio.create_task(networks.wait(addresses, 5, lines))
        for addresses in (["192.0.2.1"], ["192.0.2.2", "192.0.2.3"], ["192.0.2.3"])
    ]
    await asyncio.sleep(0)
    assert lines.waiting == 3
    networks.free("192.0.2.3")
    await asyncio.sleep(0.01)
    assert [wait.done() for wait in waits] == [False, True, False]
    networks.take("192.0.2.3")
    networks.free("192.0.2.1")
    networks.free("192.0.2.3")
    await asyncio.gather(*waits)
    assert lines.waiting == 0


async def test_who_finds_room_does_not_wait() -> None:
    networks = NetworkLimiter(NetworkLimits(address=1, network=3))
    networks.take("192.0.2.1")
    await networks.wait(["192.0.2.1", "192.0.2.2"], 0.0, WaitingLegs(0))


async def test_only_a_short_line_forms_while_all_lines_are_long() -> None:
    networks, lines = NetworkLimiter(NetworkLimits(address=2, network=2)), WaitingLegs(0)
    for _ in range(2):
        networks.take("192.0.2.1")
    waits = [asyncio.create_task(networks.wait(["192.0.2.1"], 5, lines)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert [wait.done() for wait in waits] == [False, False, True]
    networks.dismiss()
    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(each) for each in ended] == [Stopping, Stopping, AddressesBusy]


def test_a_slow_site_has_half_the_connections_each_time_and_earns_them_back() -> None:
    now = 0.0
    speeds = Speeds(lambda: now)
    assert speeds.of("x").standing is UNKNOWN
    shares = [speeds.measure("x", SLOW_SECONDS).share(20) for _ in range(7)]
    assert shares == [10, 5, 2, 1, 1, 1, 1]
    assert speeds.of("x").standing is SLOW
    assert [speeds.measure("x", QUICK_SECONDS).share(20) for _ in range(6)] == [1, 1, 2, 5, 10, 20]
    assert speeds.of("x").standing is GOOD
    speeds.measure("x", SLOW_SECONDS)
    now = 3600.0
    assert speeds.of("x").standing is UNKNOWN  # an hour later nothing is known


def test_only_so_many_sites_are_remembered() -> None:
    speeds = Speeds(lambda: 0.0)
    for number in range(20_001):
        speeds.measure(f"s{number}", 0.0)
    assert speeds.of("s0").standing is UNKNOWN
    assert speeds.of("s1").standing is GOOD
