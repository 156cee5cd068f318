"""The whole service between a real RabbitMQ, a real MongoDB and the sink."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pydantic import SecretStr

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.probe.boxes import Memory
from mailyard.probe.sink import Sink
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.relay.main import build
from mailyard.relay.settings import RelaySettings
from mailyard.runtime.clock import now_utc
from mailyard.runtime.service import Component, Runtime
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.leases import Leases
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.spool import Spool
from mailyard.spool.queue.stage import BODY_MISSING
from mailyard.spool.row import COLLECTION, ticket_of
from mailyard.spool.schema import ensure_schema
from mailyard.store.body import Body, BodyWriter
from mailyard.store.client import Store

BODY = b"Subject: x\r\n\r\n.hello\r\n"


@dataclass
class World:
    store: Store
    publisher: TicketPublisher
    spool: Spool
    settings: Callable[..., RelaySettings]

    async def accept(self, *recipients: str, body: bytes = BODY, site: str = "b.example") -> Ticket:
        """A message that the filter has just passed on, as a ticket for remote.send."""
        writer: BodyWriter = self.spool.blobs.writer()
        for start in range(0, len(body), 100_000):
            await writer.write(body[start : start + 100_000])
        return await self._spooled(await writer.finish(), recipients, site)

    async def _spooled(self, body: Body, recipients: Sequence[str], site: str) -> Ticket:
        spool_id = await self.spool.accept(
            Acceptance(
                sender="alice@a.example",
                recipients=tuple(Recipient(address=each, tenant="a") for each in recipients),
                tenant="a",
                source=Source.SUBMISSION,
                client=TransferringClient(),
                body=body,
                prefix=prefix,
            )
        )
        ticket = ticket_of(await self.row(spool_id))
        ticket.site = site
        ticket.verdict.action = Action.ACTION_PASS
        ticket.verdict.header_fields = b"X-Checked: yes\r\n"
        return ticket

    async def send(self, *tickets: Ticket) -> None:
        await self.publisher.publish(Queue.REMOTE_SEND, tickets)

    async def row(self, spool_id: str) -> dict[str, Any]:
        found = await self.store.collection(COLLECTION).find_one({"_id": spool_id})
        assert found is not None
        return found

    async def settled(self, *tickets: Ticket, state: str = "done") -> list[dict[str, Any]]:
        """The rows once they have that state."""
        return [await self.once(ticket, lambda row: row["state"] == state) for ticket in tickets]

    async def once(self, ticket: Ticket, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The row once the condition holds for it."""
        async with asyncio.timeout(20):
            while True:
                row = await self.row(ticket.spool_id)
                if condition(row):
                    return row
                await asyncio.sleep(0.02)


def prefix(spool_id: str, _at: datetime) -> bytes:
    return f"Received: by test id {spool_id}\r\n".encode()


@pytest.fixture
async def world(mongo_url: str, vhost_url: str, database: str) -> AsyncIterator[World]:
    def settings(**own: Any) -> RelaySettings:
        return RelaySettings(
            mongo_url=SecretStr(mongo_url),
            amqp_url=SecretStr(vhost_url),
            mongo_database=database,
            hostname="relay.test",
            **{"drain_seconds": 10, **own},
        )

    store, broker = Store(mongo_url, database), Broker(vhost_url, "test")
    await store.start()
    await ensure_schema(store)
    await broker.start()
    publisher = TicketPublisher(broker)
    yield World(store, publisher, Spool(store, publisher, stage="test"), settings)
    await broker.close()
    await store.close()


@asynccontextmanager
async def running(settings: RelaySettings) -> AsyncIterator[Sequence[Component]]:
    """The service's parts, started, and stopped in order at the end."""
    parts = await build(Runtime("relay", settings))
    for part in parts:
        await part.start()
    try:
        yield parts
    finally:
        for part in reversed(parts):
            await part.drain()
        for part in reversed(parts):
            await part.close()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink(Memory()) as listening:
        yield listening


def box(sink: Sink) -> Memory:
    assert isinstance(sink._box, Memory)
    return sink._box


async def test_mail_is_sent_and_its_rows_end_with_the_remote_s_words(world: World, sink: Sink) -> None:
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        tickets = [await world.accept(f"user{number}@b.example") for number in range(60)]
        await world.send(*tickets)
        rows = await world.settled(*tickets)
    for ticket, row in zip(tickets, rows, strict=True):
        outcome = row["outcomes"]["0"]
        assert (outcome["result"], outcome["status"]) == ("relayed", "2.0.0")
        assert outcome["text"] == "250 2.0.0 Taken by the sink (in reply to END)"
        assert outcome["place"] == f"[127.0.0.1]:{sink.port}"
        assert "lease" not in row
        assert [step["event"] for step in row["timeline"]] == ["message.relayed"]
        (taken,) = [each for each in box(sink).messages if each.recipients == (ticket.recipients[0].address,)]
        assert taken.octets == b"X-Checked: yes\r\n" + ticket.prefix + BODY
        assert taken.sender == "alice@a.example"


async def test_a_leg_is_split_between_taken_failed_and_waiting(world: World, sink: Sink) -> None:
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        ticket = await world.accept("bob@b.example", "refuse@b.example", "defer@b.example")
        await world.send(ticket)
        (row,) = await world.settled(ticket, state="deferred")
    assert row["outcomes"]["0"]["result"] == "relayed"
    assert (row["outcomes"]["1"]["result"], row["outcomes"]["1"]["status"]) == ("bounced", "5.1.1")
    assert [each["address"] for each in row["pending"]] == ["defer@b.example"]
    assert row["reason"]["status"] == "4.2.1"
    assert "451 4.2.1 The sink defers" in row["reason"]["text"]
    assert "bounce_at" in row
    assert (row["attempt"], row["route"], row["site"]) == (1, "remote", "b.example")
    assert "verdict" in row


async def test_a_doubled_or_void_ticket_sends_nothing_twice(world: World, sink: Sink) -> None:
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        ticket = await world.accept("bob@b.example")
        void = await world.accept("carol@b.example")
        await world.store.collection(COLLECTION).update_one({"_id": void.spool_id}, {"$inc": {"epoch": 1}})
        await world.send(ticket, ticket, void)
        await world.settled(ticket)
        await world.send(ticket)
        last = await world.accept("dave@b.example")
        await world.send(last)
        await world.settled(last)
    assert sorted(taken.recipients[0] for taken in box(sink).messages) == ["bob@b.example", "dave@b.example"]


async def test_two_relays_share_the_work_and_never_a_leg(world: World, sink: Sink) -> None:
    settings = world.settings(next_hop=f"127.0.0.1:{sink.port}")
    async with running(settings), running(settings):
        tickets = [await world.accept(f"user{number}@b.example") for number in range(50)]
        for ticket in tickets:
            await asyncio.gather(*(world.send(ticket) for _ in range(2)))
        await world.settled(*tickets)
    assert len(box(sink).messages) == 50


async def test_a_host_that_is_away_puts_mail_off(world: World, unused_tcp_port: int) -> None:
    async with running(world.settings(next_hop=f"127.0.0.1:{unused_tcp_port}")):
        ticket = await world.accept("bob@b.example")
        await world.send(ticket)
        (row,) = await world.settled(ticket, state="deferred")
    assert row["reason"]["status"] == "4.4.1"
    assert row["due_at"] > row["accepted_at"]
    assert "lease" not in row


async def test_the_dns_is_asked_where_no_next_hop_is_named(world: World, dns_server) -> None:
    dns_server.add("b.example", "MX", "0 .")
    settings = world.settings(resolvers=["127.0.0.1"], resolver_port=dns_server.port)
    async with running(settings):
        closed = await world.accept("bob@b.example")
        nowhere = await world.accept("bob@nowhere.example", site="nowhere.example")
        await world.send(closed, nowhere)
        rows = await world.settled(closed, nowhere)
    assert [row["outcomes"]["0"]["status"] for row in rows] == ["5.1.10", "5.1.2"]
    assert all(row["outcomes"]["0"]["result"] == "bounced" for row in rows)


OPEN = "S: 220 mx.example ESMTP\nC: EHLO\nS: 250-mx.example\nS: 250 PIPELINING\n"


async def test_a_stop_finishes_what_is_being_sent_and_gives_back_the_rest(
    world: World, peer, wait_until: Callable[..., Awaitable[None]]
) -> None:
    host = await peer(
        OPEN + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\nbody\nwait\nS: 250 Ok"
    )
    async with running(world.settings(next_hop=f"127.0.0.1:{host.port}", site_connections=1)) as parts:
        sending, waiting = await world.accept("bob@b.example"), await world.accept("carol@b.example")
        await world.send(sending)
        await wait_until(lambda: bool(host.bodies))
        await world.send(waiting)
        await world.once(waiting, lambda row: "lease" in row)
        draining = asyncio.gather(*(part.drain() for part in reversed(parts)))
        (given_back,) = await world.settled(waiting, state="deferred")
        assert given_back["attempt"] == 0
        assert given_back["due_at"] <= now_utc()
        assert (await world.row(sending.spool_id))["state"] == "active"
        host.go_on.set()
        await draining
        (row,) = await world.settled(sending)
    assert row["outcomes"]["0"]["result"] == "relayed"
    assert len(host.bodies) == 1


async def test_a_stop_cuts_what_has_not_reached_its_dot_and_waits_for_the_reply_to_what_has(
    world: World, peer, wait_until: Callable[..., Awaitable[None]]
) -> None:
    in_data = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go on\n"
    after = await peer(OPEN + in_data + "body\nwait\nS: 250 Ok")
    before = [
        await peer("hang"),
        await peer(OPEN + "C: MAIL\nhang"),
        await peer(OPEN + in_data + "stall"),
    ]
    routes = {f"d{n}.example": f"127.0.0.1:{host.port}" for n, host in enumerate([after, *before])}
    async with running(world.settings(routes=routes, drain_seconds=2)) as parts:
        big = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000
        bodies = [BODY, BODY, BODY, big]
        legs = [
            await world.accept(f"x@d{n}.example", site=f"d{n}.example", body=body)
            for n, body in enumerate(bodies)
        ]
        await world.send(*legs)
        await wait_until(lambda: bool(after.bodies) and all(host.connections for host in before))
        draining = asyncio.gather(*(part.drain() for part in reversed(parts)))
        for row in await world.settled(*legs[1:], state="deferred"):
            assert (row["attempt"], row["reason"]["text"]) == (0, "relay is stopping")
            assert row["due_at"] <= now_utc()
        assert (await world.row(legs[0].spool_id))["state"] == "active"
        assert not draining.done()
        after.go_on.set()
        await draining
        (row,) = await world.settled(legs[0])
    assert row["outcomes"]["0"]["result"] == "relayed"
    assert len(after.bodies) == 1


async def test_claims_are_held_until_somebody_else_takes_the_leg(world: World) -> None:
    times = iter([now_utc(), now_utc() + timedelta(minutes=10), now_utc() + timedelta(minutes=20)])
    ours, other = Leases(world.store, clock=lambda: next(times)), Leases(world.store)
    ticket = await world.accept("bob@b.example")
    assert await ours.claim([ticket]) == [ticket]
    assert await ours.held([ticket]) == [ticket]
    assert await other.held([ticket]) == []
    await ours.renew([ticket])
    assert await other.claim([ticket]) == []
    await Outcomes(world.store).report(ended_alike(ticket, Outcome(Result.RELAYED)))
    assert await ours.held([ticket]) == []


async def test_a_big_message_keeps_its_octets(world: World, sink: Sink) -> None:
    line = os.urandom(499).hex().encode() + b"\r\n.\r\n"
    body = b"Subject: big\r\n\r\n" + line * 3000
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        ticket = await world.accept("bob@b.example", body=body)
        await world.send(ticket)
        await world.settled(ticket)
    (taken,) = box(sink).messages
    assert taken.octets.endswith(body)
    assert len(taken.octets) == len(body) + len(ticket.prefix) + len(ticket.verdict.header_fields)


async def test_a_body_that_is_gone_waits_for_a_person(world: World, sink: Sink) -> None:
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        ticket = await world.accept("bob@b.example")
        await world.spool.blobs.delete([ObjectId(ticket.blob_id)])
        await world.send(ticket)
        (row,) = await world.settled(ticket, state="deferred")
    assert row["reason"] == {"status": "4.3.0", "text": BODY_MISSING}
    assert box(sink).messages == []


async def test_reports_are_written_together(
    world: World, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[int] = []
    write = Outcomes._write

    async def counted(self: Outcomes, reports: Sequence[Any]) -> Sequence[Any]:
        commands.append(len(reports))
        return await write(self, reports)

    monkeypatch.setattr(Outcomes, "_write", counted)
    # GroupCommit holds the bound method from construction on: the patch stands before the service is built.
    async with running(world.settings(next_hop=f"127.0.0.1:{sink.port}")):
        tickets = [await world.accept(f"user{number}@b.example") for number in range(100)]
        await world.send(*tickets)
        await world.settled(*tickets)
    assert sum(commands) == 100
    assert len(commands) < 60


async def test_a_slow_host_fills_its_own_line_and_nobody_else_s(world: World, sink: Sink, peer) -> None:
    tarpit = await peer("S: 220 slow.example ESMTP\nC: EHLO\nhang")
    settings = world.settings(
        routes={"slow.example": f"127.0.0.1:{tarpit.port}", "b.example": f"127.0.0.1:{sink.port}"},
        site_connections=2,
        site_waiting=15,
        waiting_seconds=60,
    )
    async with running(settings):
        slow = [await world.accept(f"u{n}@slow.example", site="slow.example") for n in range(30)]
        quick = [await world.accept(f"u{n}@b.example") for n in range(15)]
        await world.send(*slow, *quick)
        await world.settled(*quick)
        put_off = [
            row for row in [await world.row(leg.spool_id) for leg in slow] if row["state"] == "deferred"
        ]
        assert len(put_off) == 30 - 2 - 15
        assert {row["reason"]["text"] for row in put_off} == {"all connections to the host are in use"}
        assert tarpit.most_open == 2
        for transport in tarpit.transports:
            transport.abort()


async def test_slow_sites_with_more_legs_than_there_is_room_for_do_not_stop_the_others(
    world: World, sink: Sink, peer
) -> None:
    tarpits = [await peer("S: 220 slow.example ESMTP\nC: EHLO\nhang") for _ in range(4)]
    routes = {f"slow{n}.example": f"127.0.0.1:{host.port}" for n, host in enumerate(tarpits)}
    settings = world.settings(
        routes={**routes, "b.example": f"127.0.0.1:{sink.port}"},
        max_legs=100,
        site_connections=5,
        waiting_seconds=60,
    )
    async with running(settings):
        for number in range(4):
            site = f"slow{number}.example"
            await world.send(*[await world.accept(f"u{n}@{site}", site=site) for n in range(60)])
        quick = [await world.accept(f"u{n}@b.example") for n in range(10)]
        began = asyncio.get_running_loop().time()
        await world.send(*quick)
        await world.settled(*quick)
        assert asyncio.get_running_loop().time() - began < 15
        assert [host.most_open for host in tarpits] == [5] * 4
        for host in tarpits:
            for transport in host.transports:
                transport.abort()
