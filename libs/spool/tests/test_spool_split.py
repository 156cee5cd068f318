"""A message is split in one step: all legs with all that is known of them, or none."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from mailyard.broker.pipeline import Queue, Route
from mailyard.proto.v1.ticket_pb2 import Finding, MailClass, Origin, Recipient
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.ledger import MINUTE, Ledger, entry_of, write_entry
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.bounces import Bounces
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from mailyard.spool.queue.split import SplitMessage, split
from mailyard.spool.row import COLLECTION, Leg, ticket_of
from mailyard.spool.timeline import append_event

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WHOLE = new_spool_id(NOW)
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user")


def target(index, address="ann@one.test", tenant="one", **more):
    return Recipient(address=address, tenant=tenant, index=index, **more)


def local(*targets, tenant="one"):
    return Leg(Route.LOCAL, tenant, "", targets)


def remote(*targets, site="remote.test"):
    return Leg(Route.REMOTE, "one", site, targets)


@pytest.fixture
def accepted(store, insert):
    """Insert the row of a message with its entry in the ledger."""

    async def one(recipients=2, **fields):
        rows = [{"address": f"user{number}@one.test", "tenant": "one"} for number in range(recipients)]
        batch = ObjectId()
        await insert(WHOLE, recipients=rows, batch=batch, **fields)
        await write_entry(store, entry_of(batch, NOW, "test", [{"recipients": rows}]))

    return one


async def test_legs_have_what_the_message_has(store, accepted, row, ticket):
    await accepted()
    whole = ticket(
        WHOLE,
        targets=2,
        ret="HDRS",
        envid="x+2By",
        smtputf8=True,
        body="8BITMIME",
        mail_class=MailClass.MAIL_CLASS_BULK,
        traceparent="00-1-2-01",
        prefix=b"Received: here\r\n",
        size=77,
        origin=Origin(source="submission", client_address="192.0.2.1", account="aa", login="a@one.test"),
        findings=[Finding(check="spf", rule="pass")],
    )
    legs = (local(target(0)), remote(target(1, "x@remote.test")))
    [(_, first), (_, second)] = await split(store, [SplitMessage(whole, legs)], NOW)
    for name in ("ret", "envid", "smtputf8", "body", "mail_class", "traceparent", "prefix", "size"):
        assert getattr(first, name) == getattr(second, name) == getattr(whole, name), name
    assert (first.origin, first.findings[0].check, first.blob_id) == (whole.origin, "spf", whole.blob_id)
    assert first.accepted_at_ms == whole.accepted_at_ms
    assert [(each.address, each.index) for each in second.recipients] == [("x@remote.test", 1)]
    assert second == ticket_of(await row(f"{WHOLE}.2")), "the ticket that is published is that of the row"


async def test_a_leg_without_special_fields_writes_none(store, accepted, row, ticket):
    await accepted()
    await split(store, [SplitMessage(ticket(WHOLE), (local(target(0)), local(target(1))))], NOW)
    optional = {"ret", "envid", "smtputf8", "body", "class", "traceparent", "site", "findings", "client"}
    assert optional & set(await row(f"{WHOLE}.1")) == set()


async def test_a_split_message_has_no_work_of_its_own_any_more(store, accepted, row, ticket):
    await accepted(delay_at=NOW)
    whole = ticket(WHOLE)
    append_event(whole, NOW, "router", "message.routed", "2 legs")
    await split(store, [SplitMessage(whole, (local(target(0)), remote(target(1))))], NOW)
    found = await row(WHOLE)
    assert {"due_at", "delay_at"} & set(found) == set()
    assert [each["event"] for each in found["timeline"]] == ["message.routed"]
    assert await Release(store).due(NOW + timedelta(days=1), 10) == []


async def test_a_delay_that_was_reported_of_the_message_counts_for_each_leg(store, accepted, row, ticket):
    reported = datetime(9999, 1, 1, tzinfo=UTC)
    await accepted(delay_at=reported)
    await split(store, [SplitMessage(ticket(WHOLE), (local(target(0)), remote(target(1))))], NOW)
    assert [(await row(f"{WHOLE}.{leg}"))["delay_at"] for leg in (1, 2)] == [reported, reported]


@pytest.mark.parametrize("method", ["bulk_write", "insert_many"])
async def test_a_connection_that_breaks_between_two_writes_leaves_the_message_whole(
    store, accepted, ticket, monkeypatch, method
):
    await accepted()
    before = await store.collection(COLLECTION).find().to_list()
    real = getattr(AsyncCollection, method)

    async def broken(*args, **more):
        await real(*args, **more)
        raise AutoReconnect("the connection is lost")

    message = SplitMessage(ticket(WHOLE), (local(target(0)), remote(target(1))))
    with monkeypatch.context() as patch:
        patch.setattr(AsyncCollection, method, broken)
        with pytest.raises(Unavailable):
            await split(store, [message], NOW)
    assert await store.collection(COLLECTION).find().to_list() == before
    assert len(await split(store, [message], NOW)) == 2, "the same ticket is split again"


async def test_a_message_that_another_router_has_split_gives_no_second_tickets(store, accepted, ticket):
    await accepted()
    message = SplitMessage(ticket(WHOLE), (local(target(0)), remote(target(1))))
    assert len(await split(store, [message], NOW)) == 2
    await Outcomes(store, clock=lambda: NOW).report(
        ended_alike(ticket(WHOLE, leg=1), Outcome(Result.DELIVERED))
    )
    assert await split(store, [message, SplitMessage(ticket("unknown"), (local(target(0)),))], NOW) == []
    assert await store.collection(COLLECTION).count_documents({"_id": f"{WHOLE}.1", "state": "done"}) == 1


async def test_many_messages_are_split_in_one_transaction(store, insert, ticket):
    names = [new_spool_id(NOW) for _ in range(20)]
    for name in names:
        await insert(name)
    messages = [SplitMessage(ticket(name), (local(target(0)), remote(target(1)))) for name in names]
    found = await split(store, messages, NOW)
    assert {(each.spool_id, each.leg) for _, each in found} == {
        (name, leg) for name in names for leg in (1, 2)
    }
    assert await split(store, [], NOW) == []


async def test_targets_that_nobody_can_reach_are_reported_and_counted_with_the_split(
    store, accepted, row, ticket
):
    await accepted(2)
    legs = (local(target(0)), local(target(1, "gone@one.test", notify="FAILURE")))
    ended = counter("mailyard_spool_outcomes_total").labels("bounced")
    before = ended._value.get()
    await split(store, [SplitMessage(ticket(WHOLE, targets=2), legs, {2: {1: REFUSED}})], NOW)
    assert ended._value.get() == before + 1
    [due] = await Bounces(store).claim(NOW, 10)
    assert (due.row["_id"], due.targets["1"].address) == (f"{WHOLE}.2", "gone@one.test")
    [step] = (await row(f"{WHOLE}.2"))["timeline"]
    assert (step["stage"], step["event"], step["detail"]) == ("router", "message.failed", REFUSED.text)


async def test_a_failure_that_the_sender_does_not_want_to_hear_of_is_no_due_report(
    store, accepted, row, ticket
):
    await accepted(2)
    legs = (local(target(0)), local(target(1, notify="NEVER")))
    await split(store, [SplitMessage(ticket(WHOLE, targets=2), legs, {2: {1: REFUSED}})], NOW)
    found = await row(f"{WHOLE}.2")
    assert (found["state"], "bounce_at" in found) == ("done", False)


async def test_the_expansion_of_an_alias_is_reported_for_the_whole_message(store, accepted, row, ticket):
    await accepted(1)
    alias = Recipient(address="team@one.test", tenant="one", notify="SUCCESS", index=0)
    legs = (local(target(0)), remote(target(1)))
    await split(store, [SplitMessage(ticket(WHOLE), legs, expanded=(alias,))], NOW)
    [due] = await Bounces(store).claim(NOW, 10)
    assert (due.row["_id"], due.named) == (WHOLE, ("x0",))
    assert due.targets["x0"].address == "team@one.test"
    assert (await row(WHOLE))["expanded"]["x0"] == {
        "address": "team@one.test",
        "notify": "SUCCESS",
        "at": NOW,
    }, "empty fields are left out"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([("one", 2)], []),
        ([("one", 5)], [{"tenant": "one", "count": 3}]),
        ([("one", 1)], [{"tenant": "one", "count": -1}]),
        ([("one", 1), ("two", 1)], [{"tenant": "one", "count": -1}, {"tenant": "two", "count": 1}]),
    ],
    ids=["as accepted", "an alias added three", "two recipients are one", "one went to another tenant"],
)
async def test_the_ledger_balances_however_many_targets_the_recipients_have(
    store, accepted, ticket, targets, expected
):
    await accepted(2)
    legs = tuple(
        local(*(target(number, tenant=tenant) for number in range(count)), tenant=tenant)
        for tenant, count in targets
    )
    await split(store, [SplitMessage(ticket(WHOLE, targets=2), legs)], NOW)
    whole = await store.collection(COLLECTION).find_one({"_id": WHOLE})
    assert sorted(whole["expansions"], key=str) == sorted(expected, key=str)
    lines = await Ledger(store).compare(NOW, NOW + MINUTE)
    assert {line.unaccounted for line in lines} == {0}
    assert sum(line.became["in_flight"] for line in lines) == sum(count for _, count in targets)


async def test_a_leg_whose_ticket_is_lost_is_found_on_its_own_route(store, accepted, ticket):
    await accepted()
    await split(store, [SplitMessage(ticket(WHOLE), (local(target(0)), remote(target(1))))], NOW)
    await store.collection(COLLECTION).update_many({}, {"$set": {"state": "deferred"}})
    await store.collection(COLLECTION).update_one({"_id": WHOLE}, {"$set": {"state": "split"}})
    found = {each.leg: queue for queue, each in await Release(store).due(NOW, 10)}
    assert found == {1: Queue.LOCAL_FILTER, 2: Queue.REMOTE_FILTER}
