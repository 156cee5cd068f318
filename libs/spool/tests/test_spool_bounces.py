"""Every outcome that a sender must hear of is in exactly one report, whichever router dies and when."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import TimelineEntry
from mailyard.runtime.clock import to_ms
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.bounces import CLAIM, MOST_TARGETS, Bounces
from mailyard.spool.queue.outcomes import Outcomes

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(minutes=1)
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test")
RETRY = Deferral(LATER, Route.REMOTE, "4.4.1", "no answer")


def outcome(number, result="bounced", **more):
    base = {
        "result": result,
        "status": "5.1.1",
        "address": f"user{number}@one.test",
        "tenant": "one",
        "at": NOW,
        "report": True,
    }
    return base | more


@pytest.fixture
def ended(insert):
    """Insert a row that has ended and whose sender must get a report."""

    async def one(name="a", outcomes=1, **fields):
        rows = outcomes
        if isinstance(outcomes, int):
            rows = {str(number): outcome(number) for number in range(outcomes)}
        base = {"state": "done", "ended_at": NOW, "bounce_at": NOW, "outcomes": rows}
        await insert(name, **(base | fields))

    return one


async def test_a_due_report_names_all_outcomes_of_its_row(store, ended):
    await ended(outcomes=3)
    [due] = await Bounces(store).claim(NOW, 10)
    assert (due.key, set(due.named), due.tries) == ("a/0", {"0", "1", "2"}, 1)
    reported = due.targets["1"]
    assert (reported.address, reported.result, reported.status, reported.failed) == (
        "user1@one.test",
        Result.BOUNCED,
        "5.1.1",
        True,
    )


async def test_a_report_is_not_due_before_its_time_and_the_oldest_is_first(store, ended):
    await ended("a", bounce_at=NOW + SECOND)
    await ended("b", bounce_at=NOW)
    await ended("c", bounce_at=NOW - SECOND)
    bounces = Bounces(store)
    assert [each.row["_id"] for each in await bounces.claim(NOW, 1)] == ["c"]
    assert [each.row["_id"] for each in await bounces.claim(NOW, 10)] == ["b"]


async def test_routers_that_claim_at_the_same_time_never_get_the_same_row(store, ended):
    for number in range(30):
        await ended(f"a{number:02}")
    claims = await asyncio.gather(*(Bounces(store).claim(NOW, 30) for _ in range(4)))
    assert sorted(each.row["_id"] for claim in claims for each in claim) == [
        f"a{number:02}" for number in range(30)
    ]


async def test_a_settled_row_is_not_due_again_and_settling_again_changes_nothing(store, ended, row):
    await ended(outcomes=2)
    bounces = Bounces(store)
    claimed = await bounces.claim(NOW, 10)
    await bounces.settle(claimed, NOW)
    first = await row()
    assert set(first["bounced"]) == {"0", "1"}
    assert {"bounce_at", "bounce_claim", "bounce_tries", "bouncing"} & set(first) == set()
    await bounces.settle(claimed, LATER)
    assert await row() == first
    assert await bounces.claim(NOW + timedelta(days=1), 10) == []


async def test_a_router_that_dies_after_its_claim_leaves_the_same_report_to_another(store, ended):
    await ended(outcomes=2)
    [first] = await Bounces(store).claim(NOW, 10)
    assert await Bounces(store).claim(NOW + CLAIM - SECOND, 10) == []
    [second] = await Bounces(store).claim(NOW + CLAIM, 10)
    assert (second.key, second.named, second.tries) == (first.key, first.named, 2)


async def test_a_second_claim_names_what_the_first_did_although_more_has_ended_meanwhile(
    store, insert, ticket
):
    """The report of the first claim may be accepted already: the same key must mean the same targets."""
    await insert()
    outcomes, bounces = Outcomes(store, clock=lambda: NOW), Bounces(store)
    await outcomes.report(Report(ticket(targets=2), {1: REFUSED}, RETRY))
    [first] = await bounces.claim(NOW, 10)
    await outcomes.report(Report(ticket(targets=2), {0: REFUSED, 1: REFUSED}))
    [second] = await bounces.claim(LATER, 10)
    assert (second.key, second.named) == (first.key, first.named) == ("a/1", ("1",))
    await bounces.settle([second], LATER)
    [third] = await bounces.claim(LATER, 10)
    assert (third.key, third.named, third.tries) == ("a/0", ("0",), 1)


async def test_an_outcome_that_comes_between_claim_and_settlement_gets_a_report_of_its_own(
    store, insert, ticket, row
):
    await insert()
    outcomes, bounces = Outcomes(store, clock=lambda: LATER), Bounces(store)
    await Outcomes(store, clock=lambda: NOW).report(Report(ticket(targets=2), {0: REFUSED}, RETRY))
    claimed = await bounces.claim(NOW, 10)
    await outcomes.report(Report(ticket(targets=2), {0: REFUSED, 1: REFUSED}))
    await bounces.settle(claimed, NOW)
    assert (await row())["bounce_at"] == LATER, "the time of the outcome stays"
    [due] = await bounces.claim(LATER, 10)
    assert due.named == ("1",)
    await bounces.settle([due], LATER)
    assert "bounce_at" not in await row()


async def test_a_late_settlement_notes_its_report_and_does_not_end_the_claim_of_another_router(
    store, ended, row
):
    await ended()
    slow, fast = Bounces(store), Bounces(store)
    first = await slow.claim(NOW, 10)
    second = await fast.claim(NOW + CLAIM, 10)
    await slow.settle(first, NOW + CLAIM)
    assert (await row())["bounced"] == ["0"]
    assert "bounce_at" not in await row(), "all is reported: nothing is left to claim"
    await fast.settle(second, NOW + CLAIM)
    assert (await row())["bounced"] == ["0"]


async def test_a_report_is_bounded_and_the_rest_is_due_at_once(store, ended):
    await ended(outcomes=MOST_TARGETS + 7)
    bounces = Bounces(store)
    [first] = await bounces.claim(NOW, 10)
    assert len(first.named) == MOST_TARGETS
    await bounces.settle([first], NOW)
    [second] = await bounces.claim(NOW, 10)
    assert len(second.named) == 7
    assert set(first.named) & set(second.named) == set()
    assert first.key != second.key
    await bounces.settle([second], NOW)
    assert await bounces.claim(LATER, 10) == []


async def test_an_expanded_alias_is_reported_and_is_no_failure(store, ended):
    alias = {"address": "team@one.test", "notify": "SUCCESS", "orcpt": "rfc822;team@one.test", "at": NOW}
    await ended(state="split", outcomes=0, expanded={"x0": alias})
    [due] = await Bounces(store).claim(NOW, 10)
    reported = due.targets["x0"]
    assert (due.key, reported.result, reported.failed) == ("a/x0", None, False)
    assert (reported.notify, reported.orcpt) == ("SUCCESS", "rfc822;team@one.test")


async def test_outcomes_that_need_no_report_are_not_named(store, ended):
    silent = outcome(1, "relayed")
    del silent["report"]
    await ended(outcomes={"0": outcome(0, "delivered"), "1": silent, "2": outcome(2)})
    [due] = await Bounces(store).claim(NOW, 10)
    assert set(due.named) == {"0", "2"}


@pytest.mark.parametrize(
    ("result", "reported"),
    [("bounced", True), ("expired", True), ("delivered", False), ("relayed", False), ("discarded", False)],
)
async def test_of_a_row_of_0_2_0_every_failure_is_reported_and_nothing_else(store, insert, result, reported):
    old = outcome(0, result)
    del old["report"]
    await insert(state="done", ended_at=NOW, bounce_at=NOW, outcomes={"0": old, "1": outcome(1)})
    [due] = await Bounces(store).claim(NOW, 10)
    assert ("0" in due.named) == reported


async def test_a_leg_of_generated_mail_has_the_key_of_its_whole_message(store, ended, insert):
    await insert("a", state="split", sender="", source="generated", dedupe_key="x/0")
    await ended("a.1", sender="")
    await insert("b", state="split", sender="", source="bounce", bounce_of="y/0")
    await ended("b.2", sender="")
    await ended("c.1", sender="")
    await ended("d", source="mx", sender="")
    found = {each.row["_id"]: each.dedupe_key for each in await Bounces(store).claim(NOW, 10)}
    assert found == {"a.1": "x/0", "b.2": "y/0", "c.1": "", "d": ""}


async def test_the_steps_of_a_report_are_added_to_the_timeline_of_its_row(store, ended, row):
    before = {"at": NOW, "stage": "relay", "event": "message.failed"}
    await ended("a", timeline=[before])
    await ended("b")
    bounces = Bounces(store)
    due = {each.row["_id"]: each for each in await bounces.claim(NOW, 10)}
    step = TimelineEntry(at_ms=to_ms(LATER), stage="router", event="message.bounced", detail="to s@x.test")
    await bounces.settle(list(due.values()), LATER, {due["a"].key: [step]})
    after = {"at": LATER, "stage": "router", "event": "message.bounced", "detail": "to s@x.test"}
    assert (await row("a"))["timeline"] == [before, after]
    assert "timeline" not in await row("b")


async def test_a_claim_at_a_time_finer_than_the_store_keeps_is_settled_as_its_own(store, ended, row):
    await ended(outcomes=MOST_TARGETS + 1)
    bounces = Bounces(store)
    moment = NOW + timedelta(microseconds=1_999)
    claimed = await bounces.claim(moment, 10)
    await bounces.settle(claimed, LATER)
    assert (await row())["bounce_at"] == LATER, "the rest is due at the settlement, not when the claim ends"


async def test_an_error_in_one_row_concerns_that_row_alone(store, ended):
    await ended("bad", outcomes={"0": outcome(0, "teleported")})
    await ended("good")
    found = {each.row["_id"]: each for each in await Bounces(store).claim(NOW, 10)}
    with pytest.raises(ValueError, match="teleported"):
        _ = found["bad"].targets
    assert found["good"].targets["0"].failed


async def test_a_row_that_is_due_without_anything_to_report_is_settled(store, ended, row):
    """Such a row remains when a router dies after the last settlement of an older version."""
    await ended(outcomes=0)
    bounces = Bounces(store)
    [due] = await bounces.claim(NOW, 10)
    assert (due.named, due.targets, due.key) == ((), {}, "a/")
    await bounces.settle([due], NOW)
    assert "bounce_at" not in await row()


async def test_a_claim_whose_answer_was_lost_with_its_router_ends(store, ended, row):
    claim = {"bounce_at": NOW + CLAIM, "bounce_claim": ObjectId(), "bounce_tries": 1, "bouncing": ["0"]}
    await ended(**claim)
    assert await Bounces(store).claim(NOW, 10) == []
    [due] = await Bounces(store).claim(NOW + CLAIM, 10)
    assert (due.key, due.tries) == ("a/0", 2)
    await Bounces(store).settle([], NOW)
    assert (await row())["bounce_claim"] == due.token
