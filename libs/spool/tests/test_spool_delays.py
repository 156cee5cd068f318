"""A sender hears of a delay once, whatever happens between the claim of a late row and the report (RFC 3461, 4.1)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.pipeline import Route
from mailyard.spool.outcome import Deferral, Outcome, Report, Result, ended_alike
from mailyard.spool.queue.delays import CLAIM, NEVER, Delays
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.row import COLLECTION

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AFTER = timedelta(hours=4)
SECOND = timedelta(seconds=1)
TARGET = {"address": "ann@one.test", "tenant": "one"}
RETRY = Deferral(NOW + timedelta(minutes=5), Route.REMOTE, "4.4.1", "no answer")


@pytest.fixture
def late(insert):
    """Insert a deferred row that is late since `since`."""

    async def one(name="a", since=NOW - AFTER, **fields):
        base = {"state": "deferred", "route": "remote", "delay_at": since, "pending": [TARGET]}
        await insert(name, **(base | fields))

    return one


async def ids(delays, now=NOW, limit=10):
    return [each.row["_id"] for each in await delays.claim(now, AFTER, limit)]


async def test_a_report_is_due_when_the_message_is_late_by_the_given_time_and_not_before(store, late):
    await late("young", NOW - AFTER + SECOND)
    await late("old", NOW - AFTER)
    delays = Delays(store)
    assert await ids(delays) == ["old"]
    assert await ids(delays, NOW + SECOND) == ["young"]


async def test_a_row_without_a_time_is_never_late(store, insert):
    await insert("a", state="deferred")
    assert await ids(Delays(store), NEVER - SECOND) == []


async def test_the_latest_messages_are_reported_first_and_a_claim_is_bounded(store, late):
    for number in range(5):
        await late(f"a{number}", NOW - AFTER - number * SECOND)
    delays = Delays(store)
    assert set(await ids(delays, limit=2)) == {"a3", "a4"}
    assert set(await ids(delays, limit=2)) == {"a1", "a2"}
    assert await ids(delays, limit=2) == ["a0"]
    assert await ids(delays, limit=2) == []


async def test_routers_that_claim_at_the_same_time_never_get_the_same_row(store, late):
    for number in range(30):
        await late(f"a{number:02}")
    claims = await asyncio.gather(*(ids(Delays(store), limit=30) for _ in range(4)))
    assert sorted(name for claim in claims for name in claim) == [f"a{number:02}" for number in range(30)]


async def test_a_router_that_dies_after_its_claim_leaves_the_report_to_another_with_the_same_key(store, late):
    await late()
    [first] = await Delays(store).claim(NOW, AFTER, 10)
    assert await ids(Delays(store), NOW + CLAIM - SECOND) == [], "the claim holds"
    [second] = await Delays(store).claim(NOW + CLAIM, AFTER, 10)
    assert first.key == second.key == "a/delay"


async def test_a_report_that_is_made_is_not_due_again(store, late, row):
    await late()
    delays = Delays(store)
    await delays.settle(await delays.claim(NOW, AFTER, 10))
    found = await row()
    assert (found["delay_at"], "delay_claim" in found) == (NEVER, False)
    assert await ids(delays, NOW + timedelta(days=30)) == []


async def test_a_later_deferral_does_not_make_a_reported_message_late_again(store, late, row, ticket):
    await late(state="active", epoch=1)
    delays = Delays(store)
    await delays.settle(await delays.claim(NOW, AFTER, 10))
    await Outcomes(store, clock=lambda: NOW).report(Report(ticket(epoch=1), {}, RETRY))
    assert ((await row())["state"], (await row())["delay_at"]) == ("deferred", NEVER)


async def test_a_deferral_during_a_claim_does_not_end_the_claim(store, late, row, ticket):
    await late(state="active", epoch=1)
    delays = Delays(store)
    claimed = await delays.claim(NOW, AFTER, 10)
    await Outcomes(store, clock=lambda: NOW).report(Report(ticket(epoch=1), {}, RETRY))
    assert await ids(delays, NOW + SECOND) == []
    await delays.settle(claimed)
    assert (await row())["delay_at"] == NEVER


async def test_a_message_that_ends_during_the_claim_stays_without_a_time(store, late, row, ticket):
    await late(state="active")
    delays = Delays(store)
    claimed = await delays.claim(NOW, AFTER, 10)
    await Outcomes(store, clock=lambda: NOW).report(ended_alike(ticket(), Outcome(Result.RELAYED)))
    await delays.settle(claimed)
    found = await row()
    assert (found["state"], "delay_at" in found) == ("done", False)


@pytest.mark.parametrize(
    ("state", "addresses"),
    [("deferred", ["ann@one.test"]), ("active", ["ann@one.test"]), ("done", []), ("split", [])],
)
async def test_a_report_names_those_who_wait_and_nobody_of_a_row_that_has_ended(
    store, late, state, addresses
):
    await late(state=state)
    [delay] = await Delays(store).claim(NOW, AFTER, 10)
    assert [target.address for target in delay.targets] == addresses


async def test_a_target_that_has_an_outcome_is_not_named(store, late):
    other = TARGET | {"address": "bob@one.test", "index": 1}
    await late(pending=[TARGET, other], outcomes={"1": {"result": "relayed"}})
    [delay] = await Delays(store).claim(NOW, AFTER, 10)
    assert [target.address for target in delay.targets] == ["ann@one.test"]


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (("s@x.test", ""), True),
        (("s@x.test", "DELAY"), True),
        (("s@x.test", "SUCCESS,DELAY"), True),
        (("s@x.test", "SUCCESS,FAILURE"), False),
        (("s@x.test", "NEVER"), False),
        (("", "DELAY"), False),
    ],
)
async def test_only_senders_who_ask_for_it_hear_of_a_delay(store, insert, ticket, asked, due):
    sender, notify = asked
    await insert(sender=sender)
    given = ticket(sender=sender)
    given.recipients[0].notify = notify
    await Outcomes(store, clock=lambda: NOW).report(Report(given, {}, RETRY))
    assert await store.collection(COLLECTION).count_documents({"delay_at": {"$exists": True}}) == due


async def test_one_target_that_asks_is_enough_unless_it_has_ended(store, insert, row, ticket):
    outcomes = Outcomes(store, clock=lambda: NOW)
    for name, ended, due in (("a", 1, False), ("b", 0, True)):
        await insert(name)
        given = ticket(name, targets=2)
        given.recipients[0].notify = "NEVER"
        given.recipients[1].notify = "DELAY"
        await outcomes.report(Report(given, {ended: Outcome(Result.RELAYED)}, RETRY))
        assert ("delay_at" in await row(name)) == due


async def test_nothing_is_written_for_no_reports(store):
    await Delays(store).settle([])
    assert await store.collection(COLLECTION).count_documents({}) == 0
