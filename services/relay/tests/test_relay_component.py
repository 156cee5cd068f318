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
from mailyard.relay.connector import Connector, Manners, tls_contexts
from mailyard.relay.courier import Courier, CourierLimits
from mailyard.relay.destination import Destination, Host, Unroutable
from mailyard.relay.holds import Holds
from mailyard.relay.nexthop import Policy
from mailyard.relay.pool import Pool, PoolLimits
from mailyard.relay.relay import Relay
from mailyard.relay.timeouts import Timeouts
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

    async def carry(self, ticket: Ticket, permitted: Callable[[], bool]) -> Report:
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
    connector = Connector(Manners("relay.example"), Timeouts(), tls_contexts(None))
    return Pool(connector, ConnectionLimiter(ConnectionLimits()), PoolLimits(), time.monotonic)


class World:
    def __init__(self, most: int = 100) -> None:
        self.courier, self.records = FakeCourier(), Records()
        self.holds = Holds(Claims(), most, time.monotonic)
        self.relay = Relay(self.holds, self.courier, self.records, empty_pool(), clock=lambda: NOW)


async def test_every_claimed_leg_is_reported_once() -> None:
    world = World()
    await world.relay.take([leg("a"), leg("other"), leg("b")])
    await world.relay.drain()
    assert sorted(report.ticket.spool_id for report in world.records.reports) == ["a", "b"]
    assert world.holds.room == 100


async def test_take_returns_when_legs_have_begun_not_when_they_are_sent() -> None:
    world = World()
    world.courier.gate.clear()
    async with asyncio.timeout(1):
        await world.relay.take([leg("a")])
    assert world.records.reports == []
    world.courier.gate.set()
    await world.relay.drain()
    assert len(world.records.reports) == 1


async def test_more_legs_than_there_is_room_for_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(most=2)
    world.courier.gate.clear()
    taking = asyncio.create_task(world.relay.take([leg(f"m{number}") for number in range(5)]))
    await asyncio.sleep(0.01)
    assert len(world.courier.carried) == 2
    world.courier.gate.set()
    await taking
    await world.relay.drain()
    assert len(world.records.reports) == 5
    world.courier.gate.clear()
    monkeypatch.setattr("mailyard.relay.relay._ROOM_SECONDS", 0.01)
    with pytest.raises(Unavailable):
        await world.relay.take([leg(f"n{number}") for number in range(3)])
    world.courier.gate.set()
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
    world.courier.error = ZeroDivisionError("oops")
    await world.relay.take([leg("a")])
    await world.relay.drain()
    (report,) = world.records.reports
    assert report.deferral is not None
    assert "ZeroDivisionError" in report.deferral.text


async def test_a_leg_that_is_not_ours_any_more_is_not_reported() -> None:
    world = World()
    world.courier.error = LeaseLost()
    await world.relay.take([leg("a")])
    await world.relay.drain()
    assert world.records.reports == []
    assert world.holds.room == 100


async def test_close_ends_what_drain_could_not() -> None:
    world = World()
    await world.relay.start()
    assert world.relay.not_ready_reason() is None
    world.courier.gate.clear()
    await world.relay.take([leg("a")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await world.relay.drain()
    await world.relay.close()
    assert world.records.reports == []
    assert world.relay.not_ready_reason() == "claims are not renewed any more"


# The courier


class Finds:
    def __init__(self, found: Destination | Unroutable) -> None:
        self.found = found

    async def destination(self, domain: str) -> Destination | Unroutable:
        return self.found


class BusyPool:
    async def borrow(self, host, policy, *, configured, tenant):
        raise SiteBusy("all connections to the host are in use")

    def give_back(self, session) -> None:
        raise AssertionError


def courier(found: Destination | Unroutable) -> Courier:
    limits = CourierLimits(busy_seconds=30)
    return Courier(Finds(found), BusyPool(), None, limits, clock=lambda: NOW, dice=lambda: 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "enhanced", "result"), [(550, "5.1.2", Result.BOUNCED), (451, "4.4.3", None)]
)
async def test_what_the_dns_says_decides(code: int, enhanced: str, result: Result | None) -> None:
    report = await courier(Unroutable(own_reply(code, enhanced, "x"))).carry(leg("a"), lambda: True)
    if result:
        assert [(each.result, each.status) for each in report.outcomes.values()] == [(result, enhanced)]
    else:
        assert report.deferral is not None
        assert report.deferral.status == enhanced


async def test_a_busy_host_puts_the_leg_off_for_a_short_while() -> None:
    found = Destination((Host("mx.example", 25, ("192.0.2.1",)),), Policy())
    report = await courier(found).carry(leg("a"), lambda: True)
    assert report.deferral is not None
    assert report.deferral.due_at == NOW + timedelta(seconds=30)
    assert "in use" in report.deferral.text


async def test_an_address_that_cannot_be_said_fails() -> None:
    ticket = Ticket(spool_id="a", recipients=[Recipient(address="a\r\nb@c.example")])
    report = await courier(Unroutable(own_reply(451, "4.4.3", "x"))).carry(ticket, lambda: True)
    assert [each.status for each in report.outcomes.values()] == ["5.1.3"]
