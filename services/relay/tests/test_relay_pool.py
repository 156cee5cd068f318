"""Sessions lent, kept and limited."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailyard.relay.busy import AddressesBusy, SiteBusy, Stopping
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.connector import ConnectFailure
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits, network_keys
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import Dialect, LoginCredentials, Security, Step
from mailyard.smtp.client.replies import own_reply

A, B = Host("a.example", 25, ("192.0.2.1",)), Host("b.example", 25, ("192.0.2.2",))
DOWN = ConnectFailure(Step.CONNECT, own_reply(451, "4.4.1", "down"), "mx", own=True)
LIMITS = PoolLimits(
    connections=4, site_connections=2, site_waiting=1, waiting_seconds=0.05, connection_messages=3
)


class FakeSession:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.usable = True
        self.transactions = 0
        self.idle_since = 0.0
        self.closed = False
        self.tls = ""
        self.waited = 0.0
        self.awaits_final_reply = False
        self.was_cut = False
        self.networks = None
        self.ended: Callable[[], None] = lambda: None

    def take_waited(self) -> float:
        waited, self.waited = self.waited, 0.0
        return waited

    def cut(self) -> None:
        self.was_cut = True

    def close(self) -> None:
        self.closed = True
        ended, self.ended = self.ended, lambda: None
        ended()


class FakeConnector:
    def __init__(self, networks: NetworkLimiter) -> None:
        self.networks = networks
        self.made: list[FakeSession] = []
        self.refusing: set[str] = set()
        self.tries = 0
        self.takes = 0.0
        self.spend: Callable[[float], None] = lambda seconds: None
        self.gate = asyncio.Event()
        self.gate.set()

    async def connect(self, host: Host, route: RelayRoute):
        self.tries += 1
        await self.gate.wait()
        self.spend(self.takes)
        if host.name in self.refusing:
            return DOWN
        (address,) = host.addresses or ("192.0.2.99",)
        if not self.networks.take(address):
            raise AddressesBusy([address], "all connections to the host's addresses are in use")
        session = FakeSession(host)
        session.networks = network_keys(address)
        session.ended = lambda: self.networks.free(address)
        self.made.append(session)
        return session


class World:
    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        limits: PoolLimits = LIMITS,
        limiter: ConnectionLimits | None = None,
        networks: NetworkLimits | None = None,
    ) -> None:
        monkeypatch.setattr("mailyard.relay.pool.ClientSession", FakeSession)
        self.now = 0.0
        self.networks = NetworkLimiter(networks or NetworkLimits())
        self.connector = FakeConnector(self.networks)
        self.connector.spend = self._spend
        self.limiter = ConnectionLimiter(
            limiter or ConnectionLimits(limits.connections, tenant=1, slow=1, reserve=0)
        )
        self.pool = Pool(
            self.connector,
            self.limiter,
            limits,
            lambda: self.now,
            networks=self.networks,
            rng=lambda: 0.5,
        )

    def _spend(self, seconds: float) -> None:
        self.now += seconds

    async def acquire(
        self, host: Host = A, tenant: str = "", *, route: RelayRoute | None = None, in_line: bool = False
    ):
        return await self.pool.acquire(host, route or RelayRoute((host,)), tenant, in_line=in_line)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_a_session_is_used_again(world: World) -> None:
    session = await world.acquire()
    world.pool.release(session)
    assert await world.acquire() is session
    assert len(world.connector.made) == 1


async def test_another_policy_gets_another_session(world: World) -> None:
    session = await world.acquire()
    world.pool.release(session)
    strict = replace(A, tls=TlsPolicy(Security.VERIFY))
    assert await world.acquire(strict) is not session


@pytest.mark.parametrize(
    "route",
    [
        RelayRoute((A,), Dialect.LMTP),
        RelayRoute((A,), sources=("192.0.2.200",)),
        RelayRoute(
            (replace(A, tls=TlsPolicy(Security.ENCRYPT)),), credentials=LoginCredentials("user", "secret")
        ),
    ],
    ids=["another dialect", "another source address", "credentials"],
)
async def test_sessions_are_shared_only_where_all_that_a_route_says_is_the_same(
    world: World, route: RelayRoute
) -> None:
    session = await world.acquire()
    world.pool.release(session)
    other = await world.acquire(route.hosts[0], route=route)
    assert other is not session
    world.pool.release(other)
    assert await world.acquire(route.hosts[0], route=route) is other


async def test_a_worn_or_broken_session_is_ended(world: World) -> None:
    worn = await world.acquire()
    worn.transactions = 3
    world.pool.release(worn)
    broken = await world.acquire()
    broken.usable = False
    world.pool.release(broken)
    assert worn.closed
    assert broken.closed
    fresh = await world.acquire()
    world.pool.release(fresh)
    fresh.usable = False  # the host closed it while it was idle
    assert await world.acquire() is not fresh
    assert fresh.closed


async def test_one_host_gets_its_connections_and_no_more(world: World) -> None:
    first, _second = await world.acquire(), await world.acquire()
    third = asyncio.create_task(world.acquire())
    await asyncio.sleep(0)
    with pytest.raises(SiteBusy):
        await world.acquire()
    other = await world.acquire(B)
    assert other.host is B
    world.pool.release(first)
    assert await third is first


async def test_all_connections_are_limited_and_idle_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(
        monkeypatch, replace(LIMITS, connections=2), ConnectionLimits(2, tenant=1, slow=1, reserve=0)
    )
    idle, _busy = await world.acquire(A), await world.acquire(A)
    world.pool.release(idle)
    world.now = 1.0
    assert (await world.acquire(B)).host is B
    assert idle.closed
    with pytest.raises(SiteBusy, match="all connections"):
        await world.acquire(B, tenant="another")


async def test_a_host_that_cannot_be_reached_is_left_alone_for_a_while(world: World) -> None:
    world.connector.refusing = {"a.example"}
    assert await world.acquire() is DOWN
    assert await world.acquire() is DOWN
    assert world.connector.tries == 1
    world.now = LIMITS.pause_seconds
    world.connector.refusing = set()
    assert isinstance(await world.acquire(), FakeSession)


async def test_a_refused_connection_beside_others_does_not_stop_the_host(world: World) -> None:
    first = await world.acquire()
    world.connector.refusing = {"a.example"}
    assert await world.acquire() is DOWN
    world.pool.release(first)
    assert await world.acquire() is first


async def test_those_in_line_learn_that_the_host_is_down(world: World) -> None:
    world.connector.refusing = {"a.example"}
    world.connector.gate.clear()
    tries = [asyncio.create_task(world.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    world.connector.gate.set()
    assert await asyncio.gather(*tries) == [DOWN] * 3
    assert world.connector.tries == 2


async def test_idle_sessions_end_and_their_sites_are_forgotten(world: World) -> None:
    session = await world.acquire()
    world.pool.release(session)
    assert world.pool.end_idle(-1.0) == 0
    assert world.pool.end_idle(0.0) == 1
    assert session.closed
    assert world.pool._sites == {}


async def test_a_cancelled_connect_leaks_no_slot(world: World) -> None:
    world.connector.gate.clear()
    for _ in range(10):
        task = asyncio.create_task(world.acquire())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    world.connector.gate.set()
    assert [(await world.acquire()).host for _ in range(2)] == [A, A]
    assert [(await world.acquire(B)).host for _ in range(2)] == [B, B]


async def test_after_stop_nobody_borrows_and_what_comes_back_ends(world: World) -> None:
    session, _other = await world.acquire(), await world.acquire()
    waiting = asyncio.create_task(world.acquire())
    await asyncio.sleep(0)
    world.pool.stop()
    with pytest.raises(SiteBusy):
        await waiting
    with pytest.raises(SiteBusy):
        await world.acquire()
    world.pool.release(session)
    assert session.closed
    world.pool.close()
    assert all(each.closed for each in world.connector.made)


async def test_all_hosts_of_one_site_share_its_connections(world: World) -> None:
    names = [Host(f"mx{number}.evil.example", 25, ("192.0.2.9",)) for number in range(25)]
    held = [await world.acquire(host) for host in names[:2]]
    for host in names[2:]:
        with pytest.raises(SiteBusy):
            await world.acquire(host)
    assert (await world.acquire(B)).host is B
    world.pool.release(held[0])
    assert (await world.acquire(names[7])).host is names[7]
    assert held[0].closed  # an idle connection to the site makes room for another host of it


async def test_a_site_that_is_busy_makes_legs_wait_longer_and_longer(world: World) -> None:
    await world.acquire()
    await world.acquire()
    waits = []
    for _ in range(4):
        with pytest.raises(SiteBusy) as busy:
            await world.acquire()
        waits.append(busy.value.seconds)
        world.now += busy.value.seconds
        world.pool.end_idle(0.0)  # what is known of a busy site is not forgotten
    assert waits == [30.0, 60.0, 120.0, 240.0]


async def test_legs_that_other_limits_keep_out_wait_longer_and_longer_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), ConnectionLimits(10, tenant=0.1))
    await world.acquire(B, tenant="bad")

    for tenant in ("bad", "other"):  # the tenant's share, then the address
        waits = []
        for _ in range(3):
            with pytest.raises(SiteBusy) as busy:
                await world.acquire(A, tenant=tenant, in_line=True)
            waits.append(busy.value.seconds)
            world.now += busy.value.seconds
        assert waits == [30.0, 60.0, 120.0]
        while world.networks.take(A.addresses[0]):
            pass
        world.now += 10_000
    assert world.limiter.used == 1


async def test_a_site_whose_replies_take_long_gets_fewer_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, replace(LIMITS, site_connections=4, connections=10, site_waiting=0))
    slow = await world.acquire()
    slow.waited = 100.0
    world.pool.release(slow)
    await world.acquire()
    await world.acquire()
    with pytest.raises(SiteBusy):
        await world.acquire()


async def test_a_host_that_does_not_answer_in_time_counts_as_slow_and_one_that_refuses_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(
        monkeypatch,
        replace(LIMITS, connections=10, waiting_seconds=0.01),
        ConnectionLimits(10, tenant=1, slow=0.1, reserve=0),
    )
    world.connector.refusing = {"a.example", "b.example"}
    world.connector.takes = 30.0
    assert await world.acquire(A) is DOWN
    world.connector.takes = 0.0
    assert await world.acquire(B) is DOWN
    world.now += 100.0
    world.connector.refusing = set()
    await world.acquire(A)
    with pytest.raises(SiteBusy, match="all connections"):
        await world.acquire(A)  # slow sites have one connection of ten
    await world.acquire(B)
    await world.acquire(B)


async def test_a_tenant_with_many_tarpits_leaves_connections_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), ConnectionLimits(10))
    for number in range(5):
        await world.acquire(Host(f"mx.evil{number}.example", 25, ()), tenant="bad")
    with pytest.raises(SiteBusy, match="share"):
        await world.acquire(Host("mx.evil5.example", 25, ()), tenant="bad")
    assert (await world.acquire(B, tenant="good")).host is B


async def test_a_cut_ends_what_has_not_reached_its_final_dot(world: World) -> None:
    before, after = await world.acquire(A), await world.acquire(A)
    after.awaits_final_reply = True
    world.connector.gate.clear()
    opening = asyncio.create_task(world.acquire(B))
    await asyncio.sleep(0)
    world.pool.stop()
    world.pool.cut()
    assert (before.was_cut, after.was_cut) == (True, False)
    with pytest.raises(Stopping):
        await opening
    for session in (before, after):
        world.pool.release(session)
    assert world.limiter.used == 0


NAMES = [Host(f"mx.name{number}.example", 25, ("192.0.2.9",)) for number in range(6)]
ONE = NetworkLimits(address=1, network=5, waiting=3)


async def test_an_idle_session_makes_room_for_another_name_of_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), networks=ONE)
    first = await world.acquire(NAMES[0])
    world.pool.release(first)
    second = await world.acquire(NAMES[1])
    assert (first.closed, second.host) == (True, NAMES[1])


async def test_an_idle_session_makes_room_for_another_address_of_its_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), networks=NetworkLimits(address=5, network=1))
    first = await world.acquire(A)
    world.pool.release(first)
    assert (await world.acquire(B)).host is B
    assert first.closed


async def test_a_leg_that_does_not_wait_in_line_learns_at_once_that_the_addresses_are_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), networks=ONE)
    await world.acquire(NAMES[0])
    with pytest.raises(AddressesBusy) as busy:
        await world.acquire(NAMES[1])
    assert busy.value.addresses == ["192.0.2.9"]
    assert world.limiter.used == 1


async def test_a_burst_to_many_names_of_one_address_waits_in_line_and_holds_nothing_else_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10, waiting_seconds=5), networks=ONE)
    session = await world.acquire(NAMES[0])
    waiting = [asyncio.create_task(world.acquire(host, in_line=True)) for host in NAMES[1:4]]
    await asyncio.sleep(0.01)
    assert world.limiter.used == 1
    with pytest.raises(SiteBusy, match="in use"):
        await world.acquire(NAMES[5], in_line=True)  # three may wait
    for number in (1, 2, 3):
        world.pool.release(session)  # closed, not kept: another name waits for its place
        session = await waiting[number - 1]
        assert session.host is NAMES[number]
    assert [each.closed for each in world.connector.made] == [True, True, True, False]
    world.pool.release(session)
    assert not session.closed


async def test_a_leg_waits_in_line_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10), networks=ONE)
    await world.acquire(NAMES[0])
    with pytest.raises(SiteBusy, match="too long") as busy:
        await world.acquire(NAMES[1], in_line=True)
    assert busy.value.seconds == 30.0
    assert world.pool._lines.waiting == 0
    assert world.networks._waiters == {}


async def test_legs_that_wait_for_an_address_are_rejected_when_relay_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, replace(LIMITS, connections=10, waiting_seconds=5), networks=ONE)
    await world.acquire(NAMES[0])
    waiting = asyncio.create_task(world.acquire(NAMES[1], in_line=True))
    await asyncio.sleep(0.01)
    world.pool.stop()
    with pytest.raises(Stopping):
        await waiting
