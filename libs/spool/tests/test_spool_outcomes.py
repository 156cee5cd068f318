"""Reports end or defer rows: outcomes hold whichever ticket they are of, and only the newest ticket defers."""

from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Action, Verdict
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.routed import Routed, mark_remote
from mailyard.spool.timeline import append_event

NOW = datetime(2026, 11, 23, 13, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
DELIVERED = Outcome(Result.DELIVERED, "2.1.5", "", "INBOX UID 7")
REFUSED = Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such user", "mx.remote.test")
WAIT = Deferral(LATER, Route.REMOTE, "4.4.1", "no answer")


def writer(store) -> Outcomes:
    return Outcomes(store, clock=lambda: NOW)


async def test_the_end_of_all_targets_ends_the_row(store, insert, row, ticket):
    await insert(lease={"owner": 1}, delay_at=NOW)
    given = ticket(targets=2)
    append_event(given, NOW, "delivery", "message.delivered", "2 x INBOX")
    await writer(store).report(ended_alike(given, DELIVERED))
    found = await row()
    assert (found["state"], found["ended_at"], found["attempt"]) == ("done", NOW, 1)
    assert {number: each["result"] for number, each in found["outcomes"].items()} == {
        "0": "delivered",
        "1": "delivered",
    }
    assert found["sum"] == {"tenant": "one", "result": "delivered", "count": 2}
    assert [each["event"] for each in found["timeline"]] == ["message.delivered"]
    assert {"due_at", "lease", "delay_at", "pending"} & set(found) == set()


async def test_different_ends_are_counted_target_by_target(store, insert, row, ticket):
    await insert()
    await writer(store).report(Report(ticket(targets=2), {0: DELIVERED, 1: REFUSED}))
    found = await row()
    assert "sum" not in found
    assert found["bounce_at"] == NOW
    assert found["outcomes"]["1"]["report"] is True
    assert "report" not in found["outcomes"]["0"]


async def test_a_row_that_is_split_is_not_ended_by_a_late_ticket(store, insert, row, ticket):
    await insert(state="split")
    await writer(store).report(ended_alike(ticket(), DELIVERED))
    assert (await row())["state"] == "split"
    assert "outcomes" not in await row()


async def test_some_targets_end_and_the_others_wait(store, insert, row, ticket):
    await insert(lease={"owner": 1})
    await writer(store).report(Report(ticket(targets=3), {1: REFUSED}, WAIT))
    found = await row()
    assert (found["state"], found["due_at"], found["attempt"], found["route"]) == (
        "deferred",
        LATER,
        1,
        "remote",
    )
    assert [each.get("index", 0) for each in found["pending"]] == [0, 2]
    assert list(found["outcomes"]) == ["1"]
    assert found["reason"] == {"status": "4.4.1", "text": "no answer"}
    assert "lease" not in found
    assert "delay_at" in found, "the sender wants to hear of a delay"


async def test_an_older_ticket_defers_nothing(store, insert, row, ticket):
    await insert(epoch=2)
    await writer(store).report(Report(ticket(epoch=1), {}, WAIT))
    assert (await row())["state"] == "active"
    assert "reason" not in await row()


async def test_outcomes_of_an_older_ticket_hold_and_the_row_stays_as_the_newer_one_has_it(
    store, insert, row, ticket
):
    await insert(epoch=2)
    await writer(store).report(Report(ticket(targets=2, epoch=1), {0: DELIVERED}, WAIT))
    found = await row()
    assert (found["state"], list(found["outcomes"])) == ("active", ["0"])
    assert [each.get("index", 0) for each in found["pending"]] == [1]


async def test_the_last_outcome_ends_the_row_even_by_an_older_ticket(store, insert, row, ticket):
    await insert(epoch=2, pending=[{"address": "user0@one.test", "tenant": "one"}], route="remote")
    given = ticket(targets=2, epoch=1)
    await writer(store).report(Report(given, {0: DELIVERED}, WAIT))
    found = await row()
    assert (found["state"], found["ended_at"]) == ("done", NOW)
    assert "due_at" not in found


async def test_the_first_outcome_of_a_target_stays(store, insert, row, ticket):
    await insert()
    outcomes = writer(store)
    await outcomes.report(Report(ticket(targets=2), {0: DELIVERED}, WAIT))
    await outcomes.report(Report(ticket(targets=2), {0: REFUSED}, WAIT))
    assert (await row())["outcomes"]["0"]["result"] == "delivered"


async def test_a_verdict_is_kept_for_the_next_attempt(store, insert, row, ticket):
    await insert()
    given = ticket(verdict=Verdict(action=Action.ACTION_TAG))
    await writer(store).report(Report(given, {}, WAIT))
    assert Verdict.FromString((await row())["verdict"]) == given.verdict


async def test_mail_without_a_sender_is_never_late(store, insert, row, ticket):
    await insert()
    await writer(store).report(Report(ticket(sender=""), {}, WAIT))
    assert "delay_at" not in await row()


async def test_a_wait_for_a_turn_is_no_attempt(store, insert, row, ticket):
    await insert()
    turn = Deferral(LATER, Route.REMOTE, "4.3.2", "busy", tried=False)
    await writer(store).report(Report(ticket(attempt=3), {}, turn))
    assert (await row())["attempt"] == 3


@pytest.mark.parametrize(
    ("outcomes", "deferral"), [({}, None), ({0: DELIVERED}, WAIT)], ids=["neither", "both"]
)
def test_a_report_ends_every_target_or_defers_the_others(ticket, outcomes, deferral):
    with pytest.raises(ValueError, match="a report ends every target"):
        Report(ticket(), outcomes, deferral)


ADDED = [{"tenant": "one", "count": 2}]


@pytest.mark.parametrize(
    "outcomes",
    [{0: DELIVERED, 1: DELIVERED, 2: DELIVERED}, {1: REFUSED}, {}],
    ids=["all end", "one ends", "all wait"],
)
async def test_targets_that_an_alias_added_are_written_with_the_first_report(
    store, insert, row, ticket, outcomes
):
    await insert(recipients=[{"address": "team@one.test", "tenant": "one"}])
    given = ticket(targets=3, expanded=2)
    await writer(store).report(Report(given, outcomes, None if len(outcomes) == 3 else WAIT))
    found = await row()
    assert (found["expansions"], "sum" in found) == (ADDED, False)
    waiting = [each.get("index", 0) for each in found.get("pending", ())]
    assert waiting == [number for number in range(3) if number not in outcomes]


async def test_targets_that_an_alias_added_are_written_before_a_remote_ticket_is_published(
    store, insert, row, ticket
):
    await insert(route="edge", recipients=[{"address": "team@one.test", "tenant": "one"}])
    given = ticket(targets=3, expanded=2, site="remote.test")
    for _ in range(2):
        await mark_remote(store, [Routed(given, renamed=True)])
    found = await row()
    assert (found["expansions"], len(found["pending"]), found["route"]) == (ADDED, 3, "remote")


async def test_a_message_that_is_deferred_before_it_is_routed_keeps_its_recipients_alone(
    store, insert, row, ticket
):
    await insert(route="edge", recipients=[{"address": "team@one.test", "tenant": "one"}])
    unrouted = Deferral(LATER, None, "4.3.0", "no directory")
    await writer(store).report(Report(ticket(), {}, unrouted))
    found = await row()
    assert {"pending", "expansions", "site"} & set(found) == set()
    assert (found["state"], found["route"], found["reason"]["status"]) == ("deferred", "edge", "4.3.0")


async def test_the_timeline_of_a_report_is_written_once_and_that_of_an_older_ticket_if_it_has_news(
    store, insert, row, ticket
):
    await insert()
    given = ticket(targets=2)
    append_event(given, NOW, "relay", "message.relayed", "to mx.remote.test")
    for _ in range(2):
        await writer(store).report(Report(given, {0: DELIVERED}, WAIT))
    assert len((await row())["timeline"]) == 1
    late = ticket(targets=2)
    append_event(late, LATER, "relay", "message.failed", "refused")
    await writer(store).report(Report(late, {1: REFUSED}, WAIT))
    assert [each["event"] for each in (await row())["timeline"]] == ["message.relayed", "message.failed"]
