"""Held messages: kept until somebody decides, decided once, in order, and counted by the ledger all the time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.audit import LedgerAuditor
from mailyard.spool.ledger.ledger import Ledger, entry_of, write_entry
from mailyard.spool.queue.bounces import Bounces
from mailyard.spool.queue.held import PORTION, Held
from mailyard.spool.queue.release import Release
from mailyard.spool.queue.spool import Spool
from mailyard.spool.row import COLLECTION, row_of
from mailyard.spool.watch.backlog import count_backlog
from mailyard.spool.watch.deferred import count_held, read_deferred
from mailyard.spool.watch.horizon import path_horizons
from mailyard.spool.watch.retention import blobs_in_spool, purge_ended
from mailyard.spool.watch.trace import trace
from mailyard.store.body import Body
from mailyard.store.client import Row, Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANN, BOB = "a" * 24, "b" * 24
WHY = "over a limit"


def message(
    *, account: str = ANN, tenant: str = "one", hold: str = WHY, sender: str = "ann@one.test", to: int = 2
) -> Acceptance:
    return Acceptance(
        sender=sender,
        recipients=tuple(Recipient(address=f"{number}@far.test", tenant=tenant) for number in range(to)),
        tenant=tenant,
        source=Source.SUBMISSION,
        client=TransferringClient(address="192.0.2.1", account=account, login=f"{account[0]}@one.test"),
        body=Body(ObjectId(), 10, b"0123456789"),
        hold=hold,
    )


async def put(store: Store, count: int, at: datetime = NOW, **fields: object) -> list[str]:
    """Insert accepted messages, one a second, with their entry in the ledger."""
    rows = []
    for number in range(count):
        when = at + timedelta(seconds=number)
        batch = ObjectId()
        row = row_of(message(**fields), new_spool_id(when), batch, when, b"")  # type: ignore[arg-type]
        await write_entry(store, entry_of(batch, when, "smtp-in", [row]))
        rows.append(row)
    await store.collection(COLLECTION).insert_many(rows)
    return [row["_id"] for row in rows]


async def rows_of(store: Store) -> list[Row]:
    return await store.collection(COLLECTION).find({}).sort("_id").to_list()


async def line(store: Store) -> dict[str, int]:
    (found,) = await Ledger(store).compare(NOW, NOW + timedelta(hours=1)) or [None]
    assert found is not None
    assert found.unaccounted == 0
    return {column: count for column, count in found.became.items() if count}


async def released(store: Store, now: datetime, limit: int = 500) -> list[str]:
    return [ticket.spool_id for _, ticket in await Release(store).due(now, limit)]


class Published:
    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    async def publish(self, queue: Queue, tickets: list[Ticket]) -> None:
        assert queue is Queue.SMTP_IN_ROUTE
        self.tickets += tickets


async def test_a_held_message_is_stored_and_entered_in_the_ledger_and_gets_no_ticket(store: Store) -> None:
    published = Published()
    spool = Spool(store, published, stage="smtp-in", clock=lambda: NOW)  # type: ignore[arg-type]
    held, sent = await asyncio.gather(spool.accept(message()), spool.accept(message(hold="")))
    await spool.drain()
    assert [ticket.spool_id for ticket in published.tickets] == [sent]
    states = {row["_id"]: row["state"] for row in await rows_of(store)}
    assert states == {held: "held", sent: "active"}
    assert await line(store) == {"held": 2, "in_flight": 2}


async def test_nothing_releases_a_held_message_by_itself(store: Store) -> None:
    await put(store, 3)
    later = NOW + timedelta(days=20)
    assert await released(store, later) == []
    assert await Release(store).lost(path_horizons(dict.fromkeys(Queue, later)), later, 10) == []


async def test_the_body_and_the_row_of_a_held_message_stay_however_old(store: Store) -> None:
    await put(store, 1)
    (row,) = await rows_of(store)
    assert await blobs_in_spool(store, [row["blob"]]) == {row["blob"]}
    assert await purge_ended(store, NOW + timedelta(days=400), 10) == 0


async def test_the_trace_says_why_a_message_is_held_and_no_time_of_a_next_attempt(store: Store) -> None:
    (spool_id,) = await put(store, 1)
    (row,) = await trace(store, spool_id)
    assert (row.state, row.due_at, row.reason) == ("held", None, "4.7.0 over a limit")
    assert [(step.event, step.detail) for step in row.steps][-1] == ("message.held", WHY)
    assert [target.result for target in row.targets] == ["", ""]


async def test_held_mail_is_counted_by_state_and_by_tenant_and_not_as_deferred(store: Store) -> None:
    await put(store, 2)
    await put(store, 1, hold="")
    backlog = await count_backlog(store, 10_000)
    assert backlog.states == {"active": 1, "deferred": 0, "held": 2}
    assert backlog.tenants == {"one": 3}
    assert backlog.earliest_due is None
    assert await count_held(store) == 2
    assert (await read_deferred(store)).mails == 0


async def test_the_summary_is_by_account_and_shows_nothing_of_other_tenants(store: Store) -> None:
    await put(store, 3)
    await put(store, 1, account=BOB, at=NOW + timedelta(minutes=1))
    await put(store, 1, account="c" * 24, tenant="two")
    ann, bob = sorted(await Held(store).summary("one"), key=lambda each: each.oldest)
    assert (ann.account, ann.login, ann.messages, ann.recipients, ann.octets) == (ANN, "a@one.test", 3, 6, 30)
    assert (ann.oldest, ann.reason) == (NOW, WHY)
    assert (bob.account, bob.messages) == (BOB, 1)


async def test_a_list_is_in_the_order_of_acceptance_and_goes_on_where_the_last_ended(store: Store) -> None:
    ids = await put(store, 5)
    held = Held(store)
    first = await held.list("one", ANN, 3)
    rest = await held.list("one", "", 3, after=first[-1].id)
    assert [each.id for each in (*first, *rest)] == ids
    assert first[0].recipients == ("0@far.test", "1@far.test")
    assert await held.list("two", "", 3) == []


async def test_released_messages_go_their_way_in_the_order_of_acceptance(store: Store) -> None:
    ids = await put(store, 7)
    held = Held(store)
    now = NOW + timedelta(hours=2)
    assert await held.release("one", ANN, now, 4) == 4
    assert await held.release("one", ANN, now + timedelta(milliseconds=4), 4) == 3
    assert await held.release("one", ANN, now, 4) == 0
    order = []
    for _ in range(7):
        order += await released(store, now + timedelta(seconds=1), 1)
    assert order == ids
    assert await line(store) == {"in_flight": 14}
    (first, *_) = await rows_of(store)
    assert "reason" not in first
    assert [step["event"] for step in first["timeline"]] == ["message.held", "message.hold_released"]


async def test_a_release_of_one_account_leaves_the_others_held(store: Store) -> None:
    await put(store, 2)
    await put(store, 1, account=BOB)
    await put(store, 1, tenant="two")
    assert await Held(store).release("one", BOB, NOW) == 1
    assert sorted(row["state"] for row in await rows_of(store)) == ["deferred", "held", "held", "held"]


async def test_a_big_release_leaves_a_part_of_each_turn_to_other_tenants(store: Store) -> None:
    await put(store, 300)
    while await Held(store).release("one", "", NOW):
        pass
    others = await put(store, 5, tenant="two")
    await Held(store).release("two", "", NOW + timedelta(minutes=1))
    found = await released(store, NOW + timedelta(hours=1), 50)
    assert set(others) & set(found)
    assert len(found) == 50


@pytest.mark.parametrize(("bounce", "result"), [(False, "discarded"), (True, "bounced")])
async def test_discarded_messages_have_an_outcome_for_each_recipient(
    store: Store, bounce: bool, result: str
) -> None:
    await put(store, 3)
    held = Held(store)
    assert await held.discard("one", ANN, NOW, bounce=bounce, limit=2) == 2
    assert await held.discard("one", ANN, NOW, bounce=bounce, limit=2) == 1
    assert await line(store) == {result: 6}
    due = await Bounces(store).claim(NOW + timedelta(minutes=1), 10)
    assert len(due) == (3 if bounce else 0)
    for row in await rows_of(store):
        assert (row["state"], "due_at" in row) == ("done", False)
        assert row["timeline"][-1]["event"] == "message.hold_discarded"


async def test_a_minute_with_held_mail_is_closed_when_it_is_decided_and_not_before(store: Store) -> None:
    await put(store, 1)
    now = NOW + timedelta(minutes=10)
    auditor = LedgerAuditor(store, clock=lambda: now)
    audit = await auditor.audit("router")
    assert (audit.totals, audit.wrong) == ({"accepted": 2, "held": 2}, ())
    assert await store.collection("ledger").count_documents({}) == 1
    await Held(store).discard("one", ANN, now)
    now += timedelta(hours=1)
    await auditor.audit("router")
    assert await store.collection("ledger").count_documents({}) == 0


async def test_a_release_and_a_discard_at_the_same_time_decide_once_about_each_message(store: Store) -> None:
    await put(store, 200)
    held = Held(store)
    await asyncio.gather(
        *(held.release("one", ANN, NOW, 200) for _ in range(3)),
        *(held.discard("one", ANN, NOW, limit=200) for _ in range(3)),
    )
    rows = await rows_of(store)
    assert {row["state"] for row in rows} <= {"deferred", "done"}
    for row in rows:
        assert len(row["timeline"]) == 2
        assert ("outcomes" in row) == (row["state"] == "done")
    assert sum((await line_of_all(store)).values()) == 400


async def line_of_all(store: Store) -> dict[str, int]:
    found = await Ledger(store).compare(NOW, NOW + timedelta(hours=1))
    assert not any(each.unaccounted for each in found)
    total: dict[str, int] = {}
    for each in found:
        for column, count in each.became.items():
            total[column] = total.get(column, 0) + count
    return total


async def test_a_decision_that_stops_in_the_middle_goes_on_when_it_is_given_again(store: Store) -> None:
    ids = await put(store, 6)
    now = NOW + timedelta(hours=1)
    await Held(store).release("one", ANN, now, 2)  # and the command is killed
    again = Held(store)
    now += timedelta(seconds=5)
    while await again.release("one", ANN, now, 2):
        now += timedelta(milliseconds=2)
    assert await released(store, now + timedelta(seconds=1)) == ids
    assert all(len(row["timeline"]) == 2 for row in await rows_of(store))


@pytest.mark.parametrize("account", [ANN, ""], ids=["account", "tenant"])
async def test_a_portion_of_very_many_held_messages_reads_no_more_than_the_portion(
    store: Store, account: str
) -> None:
    base = row_of(message(), "", ObjectId(), NOW, b"")
    rows = []
    for number in range(5_000):
        owner = ANN if number % 2 else BOB
        rows.append(
            base | {"_id": new_spool_id(NOW + timedelta(seconds=number // 100)), "client": {"account": owner}}
        )
    await store.collection(COLLECTION).insert_many(rows)
    await store.db.command("profile", 2)
    assert len(await Held(store).list("one", account, PORTION)) == PORTION
    await store.db.command("profile", 0)
    (found,) = await store.collection("system.profile").find({"command.find": "spool"}).to_list()
    assert (found["docsExamined"], found.get("hasSortStage")) == (PORTION, None)
