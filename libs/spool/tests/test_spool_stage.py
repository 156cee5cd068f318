"""What all stages do alike: defer with a reason, defer without a body, and defer what they fail on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import STAGES, Queue, Route, Stage, stage_of
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket, Verdict
from mailyard.runtime.clock import to_ms
from mailyard.spool.outcome import Outcome, Result, ended_alike
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.stage import BODY_MISSING, StageReports, deferred, deferred_by_fault
from mailyard.spool.row import COLLECTION
from mailyard.store.client import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FAULT = ValueError("odd")


def ticket(spool_id: str = "a", *, accepted: datetime = NOW) -> Ticket:
    return Ticket(
        spool_id=spool_id,
        sender="s@x.test",
        tenant="one",
        accepted_at_ms=to_ms(accepted),
        recipients=[Recipient(address="a@one.test", tenant="one", index=3)],
        verdict=Verdict(action=Action.ACTION_TAG),
    )


async def active(store: Store, *tickets: Ticket) -> None:
    """Insert the rows that tickets stand for."""
    rows: list[dict[str, Any]] = [
        {"_id": each.spool_id, "state": "active", "epoch": 0, "due_at": NOW, "blob": ObjectId()}
        for each in tickets
    ]
    await store.collection(COLLECTION).insert_many(rows)


async def row(store: Store, spool_id: str) -> dict[str, Any]:
    found = await store.collection(COLLECTION).find_one({"_id": spool_id})
    assert found is not None
    return found


@pytest.mark.parametrize("stage", STAGES, ids=[stage.queue for stage in STAGES])
def test_every_stage_defers_on_its_own_route_and_says_so_in_the_timeline(stage: Stage) -> None:
    given = ticket()
    report = deferred(stage, given, NOW, "451 4.3.0 not now")
    assert report.deferral is not None
    assert report.deferral.route == (None if stage.route is Route.EDGE else stage.route)
    assert (report.deferral.status, report.deferral.text) == ("4.3.0", "451 4.3.0 not now")
    assert report.deferral.tried
    (entry,) = given.timeline
    assert (entry.stage, entry.event, entry.detail) == (
        stage.service,
        "message.deferred",
        "451 4.3.0 not now",
    )


@pytest.mark.parametrize("stage", STAGES, ids=[stage.queue for stage in STAGES])
def test_a_stage_whose_work_is_repeated_takes_its_result_back(stage: Stage) -> None:
    given = ticket()
    deferred(stage, given, NOW, "451 4.3.0 not now")
    assert given.HasField("verdict") == (stage.service != "filter")


def test_a_ticket_that_always_meets_a_fault_expires() -> None:
    stage = stage_of(Queue.REMOTE_SEND)
    young, old = ticket(), ticket(accepted=NOW - timedelta(days=5))
    assert deferred_by_fault(stage, young, NOW, FAULT).deferral is not None
    report = deferred_by_fault(stage, old, NOW, FAULT)
    assert report.deferral is None
    assert report.outcomes[3].result is Result.EXPIRED
    assert "internal error in relay: ValueError('odd')" in report.outcomes[3].text


def test_the_reason_of_a_fault_is_bounded() -> None:
    report = deferred_by_fault(stage_of(Queue.LOCAL_DELIVER), ticket(), NOW, ValueError("x" * 10_000))
    assert report.deferral is not None
    assert len(report.deferral.text) == 300


async def test_a_poisonous_ticket_waits_with_the_error_in_its_row(store: Store) -> None:
    await active(store, ticket())
    reports = StageReports(stage_of(Queue.LOCAL_FILTER), Outcomes(store), clock=lambda: NOW)
    await reports.poison(ticket(), FAULT)
    found = await row(store, "a")
    assert (found["state"], found["route"], found["attempt"]) == ("deferred", "local", 1)
    assert found["reason"] == {
        "status": "4.3.0",
        "text": "451 4.3.0 internal error in filter: ValueError('odd')",
    }
    assert "verdict" not in found
    assert [each["event"] for each in found["timeline"]] == ["message.deferred"]


async def test_tickets_without_a_body_wait_and_say_what_to_restore(store: Store) -> None:
    tickets = [ticket("a"), ticket("b")]
    await active(store, *tickets)
    reports = StageReports(stage_of(Queue.LOCAL_DELIVER), Outcomes(store), clock=lambda: NOW)
    await reports.defer_without_body(tickets)
    for each in tickets:
        found = await row(store, each.spool_id)
        assert found["state"] == "deferred"
        assert found["reason"]["text"] == f"451 4.3.0 {BODY_MISSING}"
        assert "verdict" in found, "delivery must not have the message filtered again"


async def test_outcomes_that_are_written_twice_count_once(store: Store) -> None:
    await active(store, ticket())
    reports = StageReports(stage_of(Queue.LOCAL_DELIVER), Outcomes(store), clock=lambda: NOW)
    for _ in range(2):
        await reports.write([ended_alike(ticket(), Outcome(Result.DELIVERED))])
    found = await row(store, "a")
    assert found["state"] == "done"
    assert {number: each["result"] for number, each in found["outcomes"].items()} == {"3": "delivered"}
