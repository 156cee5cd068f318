"""Sites that take mail slowly or not at all: what they cost the store, and what they leave to others."""

import asyncio
import heapq
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.relay.attempt import DeliveryAttempt
from mailyard.relay.bodyreader import BodyReader
from mailyard.relay.busy import BusyLimits, SiteBusy
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.connector import ClientProfile, Connector, tls_contexts
from mailyard.relay.legsender import LegSender, SenderLimits
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits
from mailyard.relay.outgoing import OutgoingMessage
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.session import ClientSession
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.runtime.clock import to_ms
from mailyard.smtp.client import Security
from mailyard.spool.outcome import Result

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BODY = b"Subject: x\r\n\r\nhello\r\n"
CLEAR = TlsPolicy(Security.NONE)
TAKES = (
    "S: 220 mx.example ESMTP\nC: EHLO\nS: 250-mx.example\nS: 250 PIPELINING\n"
    + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nS: 250 2.0.0 Queued\n" * 5
)


class Blobs:
    async def read_many(self, blob_ids: Collection[ObjectId]) -> dict[ObjectId, bytes]:
        return dict.fromkeys(blob_ids, BODY)

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None):
        raise AssertionError("bodies of this size are read whole, not streamed")
        yield b""


def leg(number: int, tenant: str = "t") -> Ticket:
    return Ticket(
        spool_id=f"m{number}",
        tenant=tenant,
        site="b.example",
        blob_id=ObjectId().binary,
        size=len(BODY),
        sender="alice@a.example",
        accepted_at_ms=to_ms(NOW),
        recipients=[Recipient(address="x@b.example", index=0)],
    )


class OneHost:
    async def route(self, tenant: str, sender: str, domain: str) -> RelayRoute:
        return RelayRoute((Host("mx.b.example", 25, ("192.0.2.1",), CLEAR),))


class NeverOpens:
    async def connect(self, host: Host, route: RelayRoute):
        await asyncio.Event().wait()


async def test_five_thousand_legs_for_one_saturated_site_cost_few_updates_and_end_with_their_lifetime() -> (
    None
):
    now, rng = 0.0, random.Random(1).random
    limits = PoolLimits(site_connections=1, site_waiting=0, busy=BusyLimits(30, 900))
    pool = Pool(NeverOpens(), ConnectionLimiter(ConnectionLimits()), limits, lambda: now, rng=rng)
    host = Host("mx.b.example", 25, ("192.0.2.1",), CLEAR)
    holding = asyncio.create_task(pool.acquire(host, RelayRoute((host,))))
    await asyncio.sleep(0)
    clock = lambda: NOW + timedelta(seconds=now)  # noqa: E731
    sender = LegSender(OneHost(), pool, BodyReader(Blobs()), SenderLimits(), clock=clock, rng=rng)
    legs = [leg(number) for number in range(5000)]
    due = [(0.0, number) for number in range(5000)]
    updates: Counter[int] = Counter()
    while due[0][0] < 3600:
        now, number = heapq.heappop(due)
        report = await sender.send_leg(legs[number], lambda: True)
        updates[int(now) // 60] += 1
        assert report.deferral is not None
        heapq.heappush(due, ((report.deferral.due_at - NOW).total_seconds(), number))
    assert updates.total() < 10 * 5000
    assert all(updates[minute] <= 20 * 60 for minute in range(15, 60))  # 5,000 legs in 900 s are 5.6 a second
    assert sum(updates[minute] for minute in range(30, 60)) < 8 * 1800
    assert not any(each.timeline for each in legs)

    now = timedelta(days=5).total_seconds()
    report = await sender.send_leg(legs[0], lambda: True)
    assert [each.result for each in report.outcomes.values()] == [Result.EXPIRED]
    holding.cancel()


# Tarpits, on real sockets

NETWORKS = 30


class Tarpit:
    """Takes connections at one address of each of many networks of loopback, and never says a word."""

    def __init__(self) -> None:
        self.open = 0
        self.port = 0

    async def start(self) -> asyncio.Server:
        first = await asyncio.start_server(self._hold, "127.1.0.1", 0)
        self.port = first.sockets[0].getsockname()[1]
        others = [f"127.1.{number}.1" for number in range(1, NETWORKS)]
        self.servers = [first, await asyncio.start_server(self._hold, others, self.port, backlog=200)]
        return first

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.read()
        finally:
            self.open -= 1
            writer.close()

    def host(self, number: int, domain: str = "") -> Host:
        address = f"127.1.{number % NETWORKS}.1"
        return Host(f"mx{number}.{domain or f'evil{number}.test'}", self.port, (address,), CLEAR)


@pytest.fixture
async def tarpit() -> AsyncIterator[Tarpit]:
    holding = Tarpit()
    await holding.start()
    yield holding
    for server in holding.servers:
        server.close()


class World:
    def __init__(self, busy: float = 30.0) -> None:
        self.limiter = ConnectionLimiter(ConnectionLimits(500))
        networks = NetworkLimiter(NetworkLimits(20, 50))
        connector = Connector(
            ClientProfile("relay.example"),
            Timeouts(busy=busy),
            tls_contexts(None),
            networks=networks,
            busy=lambda: self.limiter.busy,
        )
        self.pool = Pool(
            connector, self.limiter, PoolLimits(500, waiting_seconds=20), time.monotonic, networks=networks
        )
        self.tasks: list[asyncio.Task[object]] = []

    def stick(self, host: Host, tenant: str) -> None:
        self.tasks.append(asyncio.create_task(self.pool.acquire(host, RelayRoute((host,)), tenant)))

    async def send(self, port: int, tenant: str = "good") -> tuple[str, float]:
        """One mail to a good host, and the seconds it took."""
        began = time.monotonic()
        route = RelayRoute((Host("mx.good.example", port, ("127.0.0.1",), CLEAR),))
        message = OutgoingMessage(leg(0, tenant), BodyReader(Blobs()))
        attempt = DeliveryAttempt(message, route, self.pool, most_recipients=100, permitted=lambda: True)
        (answer,) = await attempt.run()
        return str(answer.reply), time.monotonic() - began

    async def close(self) -> int:
        """How many were refused a connection."""
        for task in self.tasks:
            task.cancel()
        ended = await asyncio.gather(*self.tasks, return_exceptions=True)
        for session in ended:
            if isinstance(session, ClientSession):
                self.pool.release(session)
        self.pool.close()
        return sum(isinstance(each, SiteBusy) for each in ended)


@pytest.mark.parametrize("domain", ["evil.test", ""], ids=["names of one domain", "domains of their own"])
async def test_many_names_of_one_address_hold_the_connections_of_one(
    tarpit: Tarpit, peer, wait_until, domain: str
) -> None:
    good, world = await peer(TAKES), World()
    for number in range(500):
        host = tarpit.host(NETWORKS * (number % 25), domain)
        world.stick(host, f"tenant{number}")
    await wait_until(lambda: tarpit.open == 20)
    said, seconds = await world.send(good.port)
    assert said == "250 2.0.0 Queued"
    assert seconds < 3
    assert tarpit.open == 20
    await world.close()


async def test_five_hundred_tarpits_of_one_tenant_leave_half_of_the_connections_to_others(
    tarpit: Tarpit, peer, wait_until
) -> None:
    good, world = await peer(TAKES), World()
    for number in range(500):
        world.stick(tarpit.host(number), "bad")
    await wait_until(lambda: tarpit.open == 225)
    said, seconds = await world.send(good.port)
    assert said == "250 2.0.0 Queued"
    assert seconds < 3
    said, seconds = await world.send(good.port, "bad")  # now of good standing: part of the share was kept
    assert said == "250 2.0.0 Queued"
    assert seconds < 3
    assert await world.close() == 275


async def test_a_tenant_whose_mail_sticks_at_a_few_tarpits_still_reaches_new_hosts_at_once(
    tarpit: Tarpit, peer, wait_until
) -> None:
    good, world = await peer(TAKES), World()
    for number in range(500):
        world.stick(tarpit.host(number % 25), "bad")
    await wait_until(lambda: tarpit.open == 200)
    said, seconds = await world.send(good.port, "bad")
    assert said == "250 2.0.0 Queued"
    assert seconds < 3
    await world.close()


async def test_five_hundred_tarpits_of_as_many_tenants_do_not_stop_good_sites(
    tarpit: Tarpit, peer, wait_until
) -> None:
    good, new, world = await peer(TAKES), await peer(TAKES), World(busy=5.0)
    assert (await world.send(good.port))[0] == "250 2.0.0 Queued"
    for number in range(500):
        world.stick(tarpit.host(number), f"tenant{number}")
    await wait_until(lambda: tarpit.open >= 440)
    said, seconds = await world.send(good.port, "other")  # of good standing: the reserve is there
    assert said == "250 2.0.0 Queued"
    assert seconds < 2
    host = Host("mx.new.example", new.port, ("127.0.0.1",), CLEAR)
    began = time.monotonic()
    session = await world.pool.acquire(host, RelayRoute((host,)), "other")
    assert isinstance(session, ClientSession)  # tarpits get less time now
    assert time.monotonic() - began < 20
    world.pool.release(session)
    await world.close()
