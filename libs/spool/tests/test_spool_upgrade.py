"""Rows of 0.2.0 and 0.3.0 go through every step of this version: an upgrade finds its queue full of them."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue, Route
from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient, TicketBatch
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.ledger import MINUTE, Ledger
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.bounces import Bounces
from mailyard.spool.queue.delays import Delays
from mailyard.spool.queue.leases import Leases
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.release import Release
from mailyard.spool.queue.split import SplitMessage, split
from mailyard.spool.row import COLLECTION, Leg, ticket_of
from mailyard.spool.schema import INDEXES, ensure_schema
from mailyard.spool.watch.backlog import count_backlog
from mailyard.spool.watch.horizon import path_horizons
from mailyard.spool.watch.retention import purge_ended
from mailyard.spool.watch.trace import trace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD = new_spool_id(NOW)
RECEIVED = (
    b"Received: from client.test (client.test [192.0.2.7])\r\n"
    b"\tby mx.test (Mailyard) with ESMTPSA id x; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
)
LATER = NOW + timedelta(minutes=5)
RETRY = Deferral(LATER, Route.REMOTE, "4.4.1", "no answer")


@pytest.fixture
def old(store):
    """Insert a row as 0.2.0 wrote it: without route, batch, source and findings."""

    async def one(**fields):
        row = {
            "_id": OLD,
            "state": "active",
            "due_at": NOW,
            "epoch": 0,
            "tenant": "one",
            "sender": "s@x.test",
            "recipients": [{"address": f"user{number}@one.test", "tenant": "one"} for number in range(2)],
            "blob": ObjectId(),
            "size": 3,
            "prefix": RECEIVED,
            "accepted_at": NOW,
        }
        await store.collection(COLLECTION).insert_one(row | fields)
        return await store.collection(COLLECTION).find_one({"_id": OLD})

    return one


async def test_the_ticket_of_an_old_row_has_defaults_for_what_the_row_does_not_say(old):
    ticket = ticket_of(await old())
    assert (ticket.leg, ticket.epoch, ticket.attempt, ticket.expanded, ticket.site) == (0, 0, 0, 0, "")
    assert (ticket.ret, ticket.envid, ticket.smtputf8, ticket.body) == ("", "", False, "7BIT")
    assert (ticket.mail_class, ticket.HasField("verdict")) == (MailClass.MAIL_CLASS_NORMAL, False)
    assert [(each.index, each.origin) for each in ticket.recipients] == [(0, 0), (1, 1)]
    assert (ticket.origin.client_address, ticket.origin.source) == ("192.0.2.7", "submission")


async def test_a_ticket_of_an_old_service_is_read_and_its_report_written(store, old, row):
    """A ticket of 0.2.0 has neither origin nor findings; it waits in the queue while the services are replaced."""
    whole = ticket_of(await old())
    for name in ("origin", "findings", "source"):
        whole.ClearField(name)
    [given] = TicketBatch.FromString(TicketBatch(tickets=[whole]).SerializeToString()).tickets
    await Outcomes(store, clock=lambda: NOW).report(ended_alike(given, Outcome(Result.DELIVERED)))
    assert (await row(OLD))["state"] == "done"


async def test_an_old_row_is_deferred_released_and_ended_by_this_version(store, old, row):
    outcomes = Outcomes(store, clock=lambda: NOW)
    await outcomes.report(Report(ticket_of(await old()), {0: Outcome(Result.RELAYED)}, RETRY))
    [(queue, again)] = await Release(store).due(LATER, 10)
    assert (queue, again.epoch, again.attempt) == (Queue.REMOTE_FILTER, 1, 1)
    assert [target.index for target in again.recipients] == [1]
    await outcomes.report(ended_alike(again, Outcome(Result.BOUNCED, "5.1.1")))
    assert (await row(OLD))["state"] == "done"
    [due] = await Bounces(store).claim(NOW, 10)
    assert due.named == ("1",)


async def test_an_old_row_whose_ticket_is_lost_is_routed_again(store, old):
    await old()
    release = Release(store)
    assert await release.lost(path_horizons(dict.fromkeys(Queue)), LATER, 10) == [], "a queue may hold it"
    [(queue, ticket)] = await release.lost(path_horizons(dict.fromkeys(Queue, LATER)), LATER, 10)
    assert (queue, ticket.spool_id, ticket.epoch) == (Queue.SMTP_IN_ROUTE, OLD, 1)


async def test_an_old_row_is_claimed_and_then_looked_for_on_the_remote_path(store, old, row):
    whole = ticket_of(await old())
    whole.site = "remote.test"
    assert await Leases(store, clock=lambda: NOW).claim([whole]) == [whole]
    assert ((await row(OLD))["route"], (await row(OLD))["site"]) == ("remote", "remote.test")


async def test_an_old_row_is_split_into_legs_that_know_how_it_came_in(store, old, row):
    targets = [Recipient(address=f"user{number}@one.test", tenant="one", index=number) for number in (0, 1)]
    legs = (Leg(Route.LOCAL, "one", "", (targets[0],)), Leg(Route.REMOTE, "one", "x.test", (targets[1],)))
    found = await split(store, [SplitMessage(ticket_of(await old()), legs)], NOW)
    assert {each.origin.source for _, each in found} == {"submission"}
    leg = await row(f"{OLD}.2")
    assert (leg["origin"], leg["client"]["address"]) == ("submission", "192.0.2.7")
    assert "source" not in leg, "the row of the message itself is the one with a source"


async def test_an_old_deferred_row_has_no_delay_report_until_this_version_defers_it(store, old):
    row = await old(state="deferred", epoch=3, attempt=5)
    delays = Delays(store)
    assert await delays.claim(NOW + timedelta(days=1), timedelta(hours=4), 10) == []
    await store.collection(COLLECTION).update_one({"_id": OLD}, {"$set": {"state": "active"}})
    await Outcomes(store, clock=lambda: NOW).report(Report(ticket_of(row), {}, RETRY))
    [due] = await delays.claim(NOW + timedelta(hours=4), timedelta(hours=4), 10)
    assert len(due.targets) == 2


async def test_an_old_row_is_counted_traced_and_at_last_purged(store, old):
    await old(client={"address": "192.0.2.7"})
    assert (await count_backlog(store, 20_000)).tenants == {"one": 1}
    [line] = await Ledger(store).compare(NOW, NOW + MINUTE)
    assert line.became["in_flight"] == 2
    [traced] = await trace(store, OLD)
    assert (traced.source, traced.steps, [each.result for each in traced.targets]) == ("", (), ["", ""])
    await Outcomes(store, clock=lambda: NOW).report(
        ended_alike(
            ticket_of(await store.collection(COLLECTION).find_one({"_id": OLD})), Outcome(Result.DELIVERED)
        )
    )
    assert await purge_ended(store, NOW + timedelta(days=9), 10) == 1
    assert await trace(store, OLD) == []


@pytest.mark.parametrize(
    ("result", "column"), [("delivered", "delivered"), ("bounced", "bounced"), ("expired", "expired")]
)
async def test_an_old_row_that_has_ended_is_counted_target_by_target(store, old, result, column):
    outcomes = {str(number): {"tenant": "one", "result": result} for number in range(2)}
    await old(state="done", outcomes=outcomes)
    [line] = await Ledger(store).compare(NOW, NOW + MINUTE)
    assert (line.became[column], line.became["in_flight"]) == (2, 0)


async def test_the_indexes_of_an_old_installation_are_replaced_without_a_moment_between(store):
    rows = store.collection(COLLECTION)
    await rows.drop_indexes()
    await rows.create_index([("state", 1), ("due_at", 1)], name="due")
    await rows.create_index([("state", 1)], name="open")
    for _ in range(2):
        await ensure_schema(store)
        names = set(await rows.index_information())
        assert names == {"_id_", *(index.document["name"] for index in INDEXES[COLLECTION])}
