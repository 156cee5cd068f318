"""The component: what it claims, what it gives back, and what it never forgets to write."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.relay.attempt import LeaseLost
from mailyard.relay.busy import SiteBusy
from mailyard.relay.connectionlimiter import ConnectionLimiter, ConnectionLimits
from mailyard.relay.connector import ClientProfile, Connector, tls_contexts
from mailyard.relay.leasekeeper import LeaseKeeper
from mailyard.relay.legsender import LegSender, SenderLimits
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.relay import Relay
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.route import Host, RelayRoute, Unroutable
from mailyard.runtime.clock import to_ms
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.client.replies import own_reply
from mailyard.spool.outcome import Outcome, Report, Result, ended_alike

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Claims:
    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return [ticket for ticket in tickets if not ticket.spool_id.startswith("other")]

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        return

    async def held(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return list(tickets)


class Records:
    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.away = 0

    async def report(self, report: Report) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the store is away")
        self.reports.append(report)


class FakeCourier:
    """Ends every leg well, unless told otherwise; `gate` holds all up."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.carried: list[str] = []

    async def send_leg(self, ticket: Ticket, permitted: Callable[[], bool]) -> Report:
        assert permitted()
        self.carried.append(ticket.spool_id)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return ended_alike(ticket, Outcome(Result.RELAYED))


def leg(spool_id: str) -> Ticket:
    return Ticket(
        spool_id=spool_id,
        site="b.example",
        accepted_at_ms=to_ms(NOW),
        recipients=[Recipient(address="x@b.example")],
    )


def empty_pool() -> Pool:
    connector = Connector(ClientProfile("relay.example"), Timeouts(), tls_contexts(None))
    return Pool(connector, ConnectionLimiter(ConnectionLimits()), PoolLimits(), time.monotonic)


class World:
    def __init__(self, most: int = 100) -> None:
        self.sender, self.records = FakeCourier(), Records()
        self.holds = LeaseKeeper(Claims(), most, time.monotonic)
        self.relay = Relay(self.holds, self.sender, self.records, empty_pool(), clock=lambda: NOW)


async def test_every_claimed_leg_is_reported_once() -> None:
    world = World()
    await world.relay.take([leg("a"), leg("other"), leg("b")])
    await world.relay.drain()
    assert sorted(report.ticket.spool_id for report in world.records.reports) == ["a", "b"]
    assert world.holds.room == 100


async def test_take_returns_when_legs_have_begun_not_when_they_are_sent() -> None:
    world = World()
    world.sender.gate.clear()
    async with asyncio.timeout(1):
        await world.relay.take([leg("a")])
    assert world.records.reports == []
    world.sender.gate.set()
    await world.relay.drain()
    assert len(world.records.reports) == 1


async def test_more_legs_than_there_is_room_for_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(most=2)
    world.sender.gate.clear()
    taking = asyncio.create_task(world.relay.take([leg(f"m{number}") for number in range(5)]))
    await asyncio.sleep(0.01)
    assert len(world.sender.carried) == 2
    world.sender.gate.set()
    await taking
    await world.relay.drain()
    assert len(world.records.reports) == 5
    world.sender.gate.clear()
    monkeypatch.setattr("mailyard.relay.relay._ROOM_SECONDS", 0.01)
    with pytest.raises(Unavailable):
        await world.relay.take([leg(f"n{number}") for number in range(3)])
    world.sender.gate.set()
    await world.relay.drain()


async def test_a_report_is_written_however_long_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailyard.relay.relay._RECORD_PAUSES", (0.001,))
    world = World()
    world.records.away = 20
    await world.relay.take([leg("a")])
    await world.relay.drain()
    assert [report.ticket.spool_id for report in world.records.reports] == ["a"]


async def test_a_fault_puts_the_leg_off() -> None:
    world = World()
    world.sender.error = ZeroDivisionError("oops")
    await world.relay.take([leg("a")])
    await world.relay.drain()
    (report,) = world.records.reports
    assert report.deferral is not None
    assert "ZeroDivisionError" in report.deferral.text


async def test_a_leg_that_is_not_ours_any_more_is_not_reported() -> None:
    world = World()
    world.sender.error = LeaseLost()
    await world.relay.take([leg("a")])
    await world.relay.drain()
    assert world.records.reports == []
    assert world.holds.room == 100


async def test_close_ends_what_drain_could_not() -> None:
    world = World()
    await world.relay.start()
    assert world.relay.not_ready_reason() is None
    world.sender.gate.clear()
    await world.relay.take([leg("a")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await world.relay.drain()
    await world.relay.close()
    assert world.records.reports == []
    assert world.relay.not_ready_reason() == "claims are not renewed any more"


# The sender


class FixedRoute:
    def __init__(self, found: RelayRoute | Unroutable) -> None:
        self.found = found
        self.asked: list[tuple[str, str, str]] = []

    async def route(self, tenant: str, sender: str, domain: str) -> RelayRoute | Unroutable:
        self.asked.append((tenant, sender, domain))
        return self.found


class BusyPool:
    async def acquire(self, host, route, tenant, *, in_line):
        raise SiteBusy("all connections to the host are in use")

    def release(self, session) -> None:
        raise AssertionError


def sender(found: RelayRoute | Unroutable) -> LegSender:
    limits = SenderLimits(busy_seconds=30)
    return LegSender(FixedRoute(found), BusyPool(), None, limits, clock=lambda: NOW, rng=lambda: 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "enhanced", "result"), [(550, "5.1.2", Result.BOUNCED), (451, "4.4.3", None)]
)
async def test_what_the_dns_says_decides(code: int, enhanced: str, result: Result | None) -> None:
    report = await sender(Unroutable(own_reply(code, enhanced, "x"))).send_leg(leg("a"), lambda: True)
    if result:
        assert [(each.result, each.status) for each in report.outcomes.values()] == [(result, enhanced)]
    else:
        assert report.deferral is not None
        assert report.deferral.status == enhanced


async def test_a_busy_host_puts_the_leg_off_for_a_short_while() -> None:
    found = RelayRoute((Host("mx.example", 25, ("192.0.2.1",)),))
    report = await sender(found).send_leg(leg("a"), lambda: True)
    assert report.deferral is not None
    assert report.deferral.due_at == NOW + timedelta(seconds=30)
    assert "in use" in report.deferral.text


async def test_an_address_that_cannot_be_said_fails() -> None:
    ticket = Ticket(spool_id="a", recipients=[Recipient(address="a\r\nb@c.example")])
    report = await sender(Unroutable(own_reply(451, "4.4.3", "x"))).send_leg(ticket, lambda: True)
    assert [each.status for each in report.outcomes.values()] == ["5.1.3"]


@pytest.mark.parametrize(("sender_address", "domain"), [("alice@A.example", "a.example"), ("", "")])
async def test_the_route_is_asked_for_with_the_tenant_and_the_domain_of_the_sender(
    sender_address: str, domain: str
) -> None:
    routes = FixedRoute(Unroutable(own_reply(451, "4.4.3", "x")))
    ticket = leg("a")
    ticket.tenant, ticket.sender = "acme", sender_address
    await LegSender(routes, BusyPool(), None, SenderLimits()).send_leg(ticket, lambda: True)  # type: ignore[arg-type]
    assert routes.asked == [("acme", domain, "b.example")]
