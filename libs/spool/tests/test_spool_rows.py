"""Rows, tickets and legs: what is written is what is read, and rows of earlier versions are understood."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Queue, QueuePath, Route
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.ids import first_spool_id
from mailyard.spool.outcome import Outcome, Result
from mailyard.spool.queue.release import Release
from mailyard.spool.queue.routed import Routed, mark_remote
from mailyard.spool.queue.split import SplitMessage, split
from mailyard.spool.row import Leg, ticket_of
from mailyard.spool.watch.clients import recent_client_addresses
from mailyard.spool.watch.retention import blobs_in_spool, purge_ended
from mailyard.spool.watch.trace import trace
from mailyard.store.client import Row

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD_ID = first_spool_id(NOW - timedelta(days=9))
NEW_ID = first_spool_id(NOW)
TARGET = Recipient(address="x@remote.test", tenant="one")


def row_of_0_2_0(**fields: object) -> Row:
    """A row without route, source and report."""
    return {
        "_id": OLD_ID,
        "state": "active",
        "due_at": NOW,
        "epoch": 0,
        "tenant": "one",
        "sender": "s@x.test",
        "recipients": [{"address": "x@remote.test", "tenant": "one"}],
        "blob": ObjectId(),
        "size": 3,
        "prefix": b"Received: by here\r\n",
        "accepted_at": NOW,
        "client": {},
        **fields,
    }


def test_a_row_of_0_2_0_makes_a_ticket():
    ticket = ticket_of(row_of_0_2_0())
    assert (ticket.spool_id, ticket.leg, ticket.source, ticket.body) == (OLD_ID, 0, "", "7BIT")
    assert [target.address for target in ticket.recipients] == ["x@remote.test"]


@pytest.mark.parametrize(
    ("fields", "queue"),
    [
        ({}, Queue.SMTP_IN_ROUTE),
        ({"route": "edge"}, Queue.SMTP_IN_ROUTE),
        ({"route": "local"}, Queue.LOCAL_FILTER),
        ({"route": "remote"}, Queue.REMOTE_FILTER),
        ({"route": "local", "verdict": b""}, Queue.LOCAL_DELIVER),
        ({"route": "remote", "verdict": b""}, Queue.REMOTE_SEND),
    ],
    ids=["0.2.0", "edge", "local", "remote", "local with verdict", "remote with verdict"],
)
async def test_a_released_row_goes_where_its_work_goes_on(store, fields, queue):
    row = row_of_0_2_0(state="deferred", **fields)
    await store.collection("spool").insert_one(row)
    [(found, ticket)] = await Release(store).due(NOW, 10)
    assert (found, ticket.epoch) == (queue, 1)


@pytest.mark.parametrize("path", list(QueuePath))
async def test_a_row_is_looked_for_on_its_own_path_alone(store, insert, path):
    for other in QueuePath:
        await insert(f"{other}", **({"route": other.route} if other.route else {}))
    later = NOW + timedelta(hours=1)
    found = await Release(store).lost({path: later}, later, 10)
    assert [ticket.spool_id for _, ticket in found] == [path.value]


async def test_a_message_is_split_once_and_legs_have_rows_of_their_own(store, insert, row, ticket):
    await insert(NEW_ID, recipients=[{"address": "x@remote.test", "tenant": "one"}] * 2)
    whole = ticket(NEW_ID, targets=2, source="mx")
    legs = (Leg(Route.LOCAL, "one", "", (TARGET,)), Leg(Route.REMOTE, "one", "remote.test", (TARGET,)))
    found = await split(store, [SplitMessage(whole, legs)], NOW)
    assert [(route, each.leg, each.site) for route, each in found] == [
        ("local", 1, ""),
        ("remote", 2, "remote.test"),
    ]
    assert await split(store, [SplitMessage(whole, legs)], NOW) == []
    assert ((await row(NEW_ID))["state"], (await row(NEW_ID))["legs"]) == ("split", 2)
    leg = await row(f"{NEW_ID}.2")
    assert (leg["state"], leg["route"], leg["origin"]) == ("active", "remote", "mx")
    assert "source" not in leg


async def test_a_leg_of_undeliverable_targets_ends_with_the_split(store, insert, row, ticket):
    await insert(NEW_ID)
    legs = (Leg(Route.LOCAL, "one", "", (TARGET,)), Leg(Route.LOCAL, "one", "", (TARGET,)))
    failed = {2: {0: Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such address")}}
    found = await split(store, [SplitMessage(ticket(NEW_ID), legs, failed)], NOW)
    assert [each.leg for _, each in found] == [1]
    ended = await row(f"{NEW_ID}.2")
    assert (ended["state"], ended["bounce_at"], "due_at" in ended) == ("done", NOW, False)


async def test_a_message_for_a_remote_site_is_marked_before_it_is_published(store, insert, row, ticket):
    await insert("a", route="edge")
    await insert("b", route="edge", epoch=4)
    given = [Routed(ticket("a", site="remote.test"), renamed=True), Routed(ticket("b"), renamed=False)]
    await mark_remote(store, given)
    marked = await row("a")
    assert (marked["route"], marked["site"], len(marked["pending"])) == ("remote", "remote.test", 1)
    assert (await row("b"))["route"] == "edge", "a newer ticket knows better"
    await mark_remote(store, [])


async def test_a_trace_has_the_message_and_its_legs_with_waiting_and_ended_targets(store, insert):
    await insert(NEW_ID, state="split", source="mx", client={"protocol": "ESMTP", "address": "192.0.2.1"})
    outcome = {"address": "a@one.test", "tenant": "one", "result": "delivered", "status": "2.1.5", "at": NOW}
    waiting = [{"address": "b@one.test", "tenant": "one", "index": 1}]
    await insert(
        f"{NEW_ID}.1", outcomes={"0": outcome}, pending=waiting, reason={"status": "4.2.2", "text": "full"}
    )
    await insert(f"{OLD_ID}")
    whole, leg = await trace(store, f"{NEW_ID}.1")
    assert (whole.id, whole.state, [step.event for step in whole.steps]) == (
        NEW_ID,
        "split",
        ["message.accepted"],
    )
    assert whole.steps[0].detail == "ESMTP 192.0.2.1"
    assert [(each.address, each.result) for each in leg.targets] == [
        ("a@one.test", "delivered"),
        ("b@one.test", ""),
    ]
    assert leg.reason == "4.2.2 full"


async def test_addresses_of_clients_without_a_login_are_returned_the_latest_first(store, insert):
    for number in range(4):
        await insert(f"a{number}", client={"address": f"192.0.2.{number}"})
    await insert("a9", client={"address": "198.51.100.1", "account": "0" * 24})
    assert await recent_client_addresses(store, 2) == {"192.0.2.3", "192.0.2.2"}


async def test_a_body_is_needed_while_work_or_a_report_is_due(store, insert):
    due, reported, ended = ObjectId(), ObjectId(), ObjectId()
    await insert("a", blob=due)
    await store.collection("spool").insert_many(
        [
            {"_id": "b", "state": "done", "blob": reported, "bounce_at": NOW},
            {"_id": "c", "state": "done", "blob": ended},
        ]
    )
    assert await blobs_in_spool(store, [due, reported, ended, ObjectId()]) == {due, reported}


async def test_only_rows_that_have_ended_and_are_reported_are_purged(store):
    rows = [
        {"_id": f"{OLD_ID}.1", "ended_at": NOW},
        {"_id": f"{OLD_ID}.2", "ended_at": NOW, "bounce_at": NOW},
        {"_id": f"{OLD_ID}.3", "due_at": NOW},
        {"_id": NEW_ID, "ended_at": NOW},
    ]
    await store.collection("spool").insert_many(rows)
    assert await purge_ended(store, NOW - timedelta(days=1), 10) == 1
    assert await purge_ended(store, NOW - timedelta(days=1), 10) == 0
    left = {row["_id"] async for row in store.collection("spool").find({}, {"_id": 1})}
    assert left == {f"{OLD_ID}.2", f"{OLD_ID}.3", NEW_ID}
