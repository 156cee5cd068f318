"""Acceptance: what is stored when the id comes back, and what happens when a server is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import BadSpoolId, accepted_second, first_spool_id, new_spool_id
from mailyard.spool.ledger.ledger import Ledger, hour_of
from mailyard.spool.queue.spool import AlreadyAccepted, Spool
from mailyard.spool.schema import ensure_schema
from mailyard.spool.watch.trace import trace
from mailyard.store.body import Body
from mailyard.store.client import Row, Store
from mailyard.store.logorder import InsertReply, insert_durably

HOUR = timedelta(hours=1)


class Publishing:
    """A publisher that remembers, or fails."""

    def __init__(self) -> None:
        self.published: list[Ticket] = []
        self.broken = False

    async def publish(self, queue: Queue, tickets: list[Ticket]) -> None:
        if self.broken:
            raise PublishFailed(queue, tickets, "the broker is away")
        self.published += tickets


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    yield store
    await store.close()


def acceptance(*recipients: str, body: bytes = b"Subject: x\r\n\r\ny\r\n", **more: object) -> Acceptance:
    fields: dict[str, object] = {
        "sender": "sender@there.test",
        "recipients": tuple(Recipient(address=each, tenant=each.split("@")[1]) for each in recipients),
        "tenant": "tenant",
        "source": Source.MX,
        "client": TransferringClient("192.0.2.1", "there.test", "ESMTP"),
        "body": Body(ObjectId(), len(body), body),
        "prefix": lambda spool_id, at: f"Received: {spool_id} {at.isoformat()}\r\n".encode(),
    }
    return Acceptance(**(fields | more))  # type: ignore[arg-type]


async def lines_of(store: Store) -> dict[str, tuple[int, int]]:
    now = now_utc()
    accounts = await Ledger(store).hourly_lines(hour_of(now) - HOUR, hour_of(now) + HOUR)
    return {line.tenant: (line.accepted, line.unaccounted) for line in accounts}


async def test_an_accepted_message_stands_in_the_store_and_is_announced(store: Store) -> None:
    publisher = Publishing()
    spool = Spool(store, publisher, stage="test")  # type: ignore[arg-type]
    spool_id = await spool.accept(acceptance("a@one.test", "b@two.test"))
    row = await store.collection("spool").find_one({"_id": spool_id})
    assert row is not None
    assert await spool.blobs.read(row["blob"]) == b"Subject: x\r\n\r\ny\r\n"
    assert row["prefix"].startswith(f"Received: {spool_id} ".encode())
    [ticket] = publisher.published
    assert (ticket.spool_id, ticket.epoch, [each.index for each in ticket.recipients]) == (
        spool_id,
        0,
        [0, 1],
    )
    assert abs((accepted_second(spool_id) - row["accepted_at"]).total_seconds()) <= 1
    assert await lines_of(store) == {"one.test": (1, 0), "two.test": (1, 0)}


async def test_what_the_edge_did_to_a_message_stands_in_its_timeline(store: Store) -> None:
    spool = Spool(store, Publishing(), stage="test")  # type: ignore[arg-type]
    steps = (("message.author_rewritten", "From: a@there.test became b@one.test"),)
    spool_id = await spool.accept(acceptance("a@one.test", steps=steps))
    [row] = await trace(store, spool_id)
    assert [(step.stage, step.event, step.detail) for step in row.steps[1:]] == [("smtp-in", *steps[0])]


async def test_a_broker_that_is_away_does_not_stop_acceptance(store: Store) -> None:
    publisher = Publishing()
    publisher.broken = True
    spool = Spool(store, publisher, stage="test")  # type: ignore[arg-type]
    spool_id = await spool.accept(acceptance("a@one.test"))
    assert await store.collection("spool").find_one({"_id": spool_id, "state": "active"})


async def test_many_messages_share_few_commands_and_each_gets_its_own_id(store: Store) -> None:
    publisher = Publishing()
    spool = Spool(store, publisher, stage="test")  # type: ignore[arg-type]
    ids = await asyncio.gather(*(spool.accept(acceptance("a@one.test")) for _ in range(300)))
    assert len(set(ids)) == 300
    batches = await store.collection("spool").distinct("batch")
    assert len(batches) < 10
    assert await lines_of(store) == {"one.test": (300, 0)}


async def test_a_bounce_is_accepted_once(store: Store) -> None:
    publisher = Publishing()
    spool = Spool(store, publisher, stage="test")  # type: ignore[arg-type]
    await spool.accept(acceptance("a@one.test", dedupe_key="id/0"))
    with pytest.raises(AlreadyAccepted):
        await spool.accept(acceptance("a@one.test", dedupe_key="id/0"))
    assert len(publisher.published) == 1
    assert await lines_of(store) == {"one.test": (1, 0)}


async def test_a_bounce_of_0_3_0_is_not_made_again_and_0_3_0_makes_none_of_ours_again(store: Store) -> None:
    spool = Spool(store, Publishing(), stage="test")  # type: ignore[arg-type]
    rows = store.collection("spool")
    await rows.insert_one({"_id": "old", "state": "done", "bounce_of": "id/0"})
    with pytest.raises(AlreadyAccepted):
        await spool.accept(acceptance("a@one.test", dedupe_key="id/0"))
    ours = await spool.accept(acceptance("a@one.test", dedupe_key="id/1"))
    row = await rows.find_one({"_id": ours})
    assert row is not None
    assert (row["dedupe_key"], row["bounce_of"]) == ("id/1", "id/1")
    with pytest.raises(DuplicateKeyError):
        await rows.insert_one({"_id": "new", "state": "active", "bounce_of": "id/1"})


@pytest.mark.parametrize(
    "told",
    [InsertReply(None), InsertReply(7)],
    ids=["the answer was lost", "another primary wrote the rows"],
)
async def test_where_the_order_of_body_and_row_is_unknown_both_are_written_again_and_accepted_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, told: InsertReply
) -> None:
    async def written_without_a_word(to: Store, name: str, rows: list[Row]) -> InsertReply:
        await insert_durably(to, name, rows)
        await to.collection("mail.chunks").delete_many({})  # as a primary does that rolls back
        return told

    monkeypatch.setattr("mailyard.spool.queue.spool.insert_durably", written_without_a_word)
    publisher = Publishing()
    spool = Spool(store, publisher, stage="test")  # type: ignore[arg-type]
    plain = await spool.accept(acceptance("a@one.test"))
    bounce = await spool.accept(acceptance("a@one.test", dedupe_key="id/0"))
    row = await store.collection("spool").find_one({"_id": bounce})
    assert row is not None
    assert await spool.blobs.read(row["blob"]) == b"Subject: x\r\n\r\ny\r\n"
    with pytest.raises(AlreadyAccepted):
        await spool.accept(acceptance("a@one.test", dedupe_key="id/0"))
    assert [ticket.spool_id for ticket in publisher.published] == [plain, bounce]
    assert await store.collection("spool").count_documents({}) == 2


async def test_a_store_that_is_away_refuses_and_says_so() -> None:
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    spool = Spool(store, Publishing(), stage="test")  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="MongoDB is unreachable"):
        await spool.accept(acceptance("a@one.test"))
    await store.close()


async def test_a_missing_ledger_entry_is_recovered_from_the_rows_and_a_missing_row_is_told(
    store: Store,
) -> None:
    spool = Spool(store, Publishing(), stage="test")  # type: ignore[arg-type]
    kept = await spool.accept(acceptance("a@one.test"))
    now = now_utc()
    await store.collection("ledger").delete_many({})
    assert await lines_of(store) == {"one.test": (0, -1)}
    window = (hour_of(now) - HOUR, hour_of(now) + HOUR)
    assert await Ledger(store).recover_entries(*window, "test") == 1
    assert await Ledger(store).recover_entries(*window, "test") == 0
    assert await lines_of(store) == {"one.test": (1, 0)}
    await store.collection("spool").delete_one({"_id": kept})
    assert await lines_of(store) == {"one.test": (1, 1)}


async def test_the_switch_of_the_loss_test_says_yes_before_anything_is_stored(store: Store) -> None:
    broken = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=200)
    spool = Spool(broken, Publishing(), stage="test", test_skip_confirm=True)  # type: ignore[arg-type]
    assert accepted_second(await spool.accept(acceptance("a@one.test"))) <= now_utc()
    await spool.drain()
    await broken.close()


async def test_a_real_broker_has_the_tickets_after_acceptance(store: Store, vhost_url: str) -> None:
    broker = Broker(vhost_url, "test")
    await broker.start()
    spool = Spool(store, TicketPublisher(broker), stage="test")
    await asyncio.gather(*(spool.accept(acceptance("a@one.test")) for _ in range(5)))
    assert (await broker.depth(Queue.SMTP_IN_ROUTE)).messages >= 1
    await broker.close()


def test_spool_ids_sort_by_time_and_are_read_back() -> None:
    moment = datetime.fromisoformat("2026-11-23T10:00:00+00:00")
    earlier, later = new_spool_id(moment), new_spool_id(moment + timedelta(seconds=1))
    assert first_spool_id(moment) <= earlier < first_spool_id(moment + timedelta(seconds=1)) <= later
    assert accepted_second(f"{earlier}.3") == moment
    for text in ("", "short", "x" * 20, earlier + "0"):
        with pytest.raises(BadSpoolId):
            accepted_second(text)
