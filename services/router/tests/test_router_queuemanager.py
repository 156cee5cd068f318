"""QueueManager: releases, tickets that are published again, measures, and the audit of the ledger."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from router_doubles import BrokerInMemory, accepted, metric
from structlog.testing import capture_logs

from mailyard.broker.connection import QueueDepth
from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router import queuemanager
from mailyard.router.queuemanager import QueueManager
from mailyard.router.settings import RouterSettings
from mailyard.spool.ledger.audit import Audit
from mailyard.spool.ledger.ledger import COLUMNS, LedgerLine
from mailyard.spool.row import COLLECTION, RowState
from mailyard.spool.schema import ensure_schema
from mailyard.store.client import Store

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    opened = Store(mongo_url, database)
    await opened.start()
    await ensure_schema(opened)
    yield opened
    await opened.close()


def manager(store: Store, instance: str) -> QueueManager:
    nothing = cast("Any", None)
    return QueueManager(store, nothing, nothing, RouterSettings(instance=instance), clock=lambda: NOON)


async def test_the_log_names_twenty_differing_lines_and_says_how_many_there_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    became = dict.fromkeys(COLUMNS, 0)
    wrong = tuple(LedgerLine(f"t{number}", NOON, 1, 0, became) for number in range(50))

    async def audit(*_: object) -> Audit:
        return Audit(wrong, 50, {}, 0)

    monkeypatch.setattr("mailyard.spool.ledger.audit.LedgerAuditor.audit", audit)
    with capture_logs() as logs:
        monkeypatch.setattr(queuemanager, "_log", queuemanager.get_logger("test"))
        await manager(store, "one").audit_ledger()
    lines = [entry for entry in logs if entry["event"] == "ledger.unaccounted"]
    assert [entry["tenant"] for entry in lines] == [f"t{number}" for number in range(20)]
    assert {entry["lines"] for entry in lines} == {50}


async def test_a_router_without_the_lease_forgets_what_it_knew_of_open_minutes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[Any] = []

    def forget(auditor: Any) -> None:
        forgotten.append(auditor)

    monkeypatch.setattr("mailyard.spool.ledger.audit.LedgerAuditor.forget", forget)
    await manager(store, "holder").audit_ledger()
    await manager(store, "other").audit_ledger()
    assert len(forgotten) == 1


async def deferred(store: Store, *, due_at: datetime) -> Ticket:
    """Accept a message that waits for a time."""
    ticket = await accepted(store, "x@remote.test")
    await store.collection(COLLECTION).update_one(
        {"_id": ticket.spool_id}, {"$set": {"state": RowState.DEFERRED, "route": "remote", "due_at": due_at}}
    )
    return ticket


def working(store: Store, broker: BrokerInMemory, instance: str = "one", **settings: Any) -> QueueManager:
    router = RouterSettings(instance=instance, **settings)
    return QueueManager(store, cast("Any", broker), cast("Any", broker), router, clock=lambda: NOON)


async def test_due_messages_are_released_with_a_new_epoch_and_others_wait(store: Store) -> None:
    due = await deferred(store, due_at=NOON)
    await deferred(store, due_at=NOON + timedelta(seconds=1))
    broker = BrokerInMemory()
    assert not await working(store, broker).release_due()
    [(queue, ticket)] = broker.published
    assert (queue, ticket.spool_id, ticket.epoch) == (Queue.REMOTE_FILTER, due.spool_id, due.epoch + 1)
    assert [(each.stage, each.event) for each in ticket.timeline] == [("router", "message.released")]


async def test_a_full_release_says_that_more_is_due(store: Store) -> None:
    for _ in range(3):
        await deferred(store, due_at=NOON)
    manager = working(store, BrokerInMemory(), release_limit=2)
    assert [await manager.release_due() for _ in range(2)] == [True, False]


async def test_the_holder_of_the_lease_alone_publishes_lost_tickets_again(store: Store) -> None:
    lost = await accepted(store, "x@remote.test")
    await store.collection(COLLECTION).update_one(
        {"_id": lost.spool_id}, {"$set": {"route": "remote", "due_at": NOON - timedelta(hours=1)}}
    )
    await working(store, BrokerInMemory(), "holder").audit_ledger()  # takes the lease
    before = metric("mailyard_router_reissued_total")
    other, holder = BrokerInMemory(), BrokerInMemory()
    assert not await working(store, other, "other").reconcile()
    assert other.published == []
    for _ in range(2):  # the new ticket is not lost
        await working(store, holder, "holder").reconcile()
    [(queue, ticket)] = holder.published
    assert (queue, ticket.spool_id, ticket.epoch) == (Queue.REMOTE_FILTER, lost.spool_id, lost.epoch + 1)
    assert [each.event for each in ticket.timeline] == ["message.reissued"]
    assert metric("mailyard_router_reissued_total") == before + 1


async def test_no_ticket_counts_as_lost_while_queues_are_long_and_nobody_consumes(store: Store) -> None:
    lost = await accepted(store, "x@remote.test")
    await store.collection(COLLECTION).update_one(
        {"_id": lost.spool_id}, {"$set": {"route": "remote", "due_at": NOON - timedelta(hours=1)}}
    )
    broker = BrokerInMemory(QueueDepth(1000, 0))
    await working(store, broker).reconcile()
    assert broker.published == []


async def test_depth_and_consumers_of_every_queue_are_exported(store: Store) -> None:
    await working(store, BrokerInMemory(QueueDepth(7, 2))).measure()
    for queue in Queue:
        assert metric("mailyard_queue_broker_messages", queue=queue) == 7
        assert metric("mailyard_queue_consumers", queue=queue) == 2
