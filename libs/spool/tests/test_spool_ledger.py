"""The two sides of the ledger: what is counted, by whom, and what is counted once however often it is written."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailyard.runtime.errors import Unavailable
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.comparison import MOST_LINES, compare_minutes
from mailyard.spool.ledger.ledger import (
    ENTRIES,
    MINUTE,
    Ledger,
    LedgerLine,
    entry_of,
    hour_of,
    minute_of,
    spans,
    write_entry,
)
from mailyard.spool.outcome import Result
from mailyard.spool.row import COLLECTION
from mailyard.store.client import Store

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 23, 11, tzinfo=UTC)


def recipients(**tenants):
    return [{"address": f"a@{tenant}", "tenant": tenant} for tenant, n in tenants.items() for _ in range(n)]


@pytest.fixture
def message(store):
    """Store a row of a message with its entry."""

    async def one(at=BEGIN, *, entry=True, to=None, **fields):
        base = {
            "_id": new_spool_id(at),
            "state": "active",
            "batch": ObjectId(),
            "accepted_at": at,
            "recipients": recipients(**(to or {"one": 1})),
        }
        row = base | fields
        await store.collection(COLLECTION).insert_one(row)
        if entry:
            await write_entry(store, entry_of(row["batch"], at, "edge", [row]))
        return row

    return one


def result(tenant, name):
    return {"tenant": tenant, "result": name}


async def line_of(store, tenant="one", since=BEGIN):
    lines = await Ledger(store).compare(since, since + MINUTE)
    [found] = [line for line in lines if line.tenant == tenant]
    return found


def became(line):
    return {name: count for name, count in line.became.items() if count}


async def test_an_entry_counts_recipients_by_tenant_and_is_written_once(store, message):
    row = await message(entry=False, to={"one": 2, "two": 1})
    entry = entry_of(row["batch"], BEGIN, "edge", [row])
    assert sorted(map(str, entry["recipients"])) == [
        "{'tenant': 'one', 'count': 2}",
        "{'tenant': 'two', 'count': 1}",
    ]
    for _ in range(3):
        await write_entry(store, entry)
    assert (await line_of(store, "one")).accepted == 2
    assert (await line_of(store, "two")).accepted == 1


async def test_a_batch_of_known_messages_alone_has_no_entry(store):
    await write_entry(store, entry_of(ObjectId(), BEGIN, "edge", []))
    assert await store.collection(ENTRIES).count_documents({}) == 0


async def test_a_message_is_in_flight_until_each_recipient_has_an_outcome(store, message):
    await message(to={"one": 3}, pending=recipients(one=2), outcomes={"1": result("one", "delivered")})
    line = await line_of(store)
    assert (became(line), line.unaccounted) == ({"delivered": 1, "in_flight": 2}, 0)


async def test_targets_that_an_alias_added_are_expected_and_those_that_it_joined_are_not(store, message):
    await message(
        to={"one": 1}, pending=recipients(one=4), expansions=[{"tenant": "one", "count": 3}], state="deferred"
    )
    line = await line_of(store)
    assert (line.accepted, line.expanded, became(line), line.unaccounted) == (1, 3, {"in_flight": 4}, 0)


async def test_an_alias_of_another_tenant_moves_the_count_to_that_tenant(store, message):
    moves = [{"tenant": "one", "count": -1}, {"tenant": "two", "count": 1}]
    whole = await message(to={"one": 1}, state="split", expansions=moves)
    await message(
        entry=False, _id=f"{whole['_id']}.1", recipients=[], pending=recipients(two=1), state="active"
    )
    one, two = await line_of(store, "one"), await line_of(store, "two")
    assert (one.accepted, one.expanded, one.unaccounted) == (1, -1, 0)
    assert (two.accepted, two.expanded, became(two), two.unaccounted) == (0, 1, {"in_flight": 1}, 0)


async def test_a_row_that_sums_itself_up_is_counted_by_its_sum_alone(store, message):
    outcomes = {str(number): result("one", "relayed") for number in range(3)}
    await message(
        to={"one": 3},
        state="done",
        outcomes=outcomes,
        sum={"tenant": "one", "result": "relayed", "count": 3},
    )
    assert became(await line_of(store)) == {"relayed": 3}


async def test_an_entry_without_rows_and_rows_without_an_entry_are_seen_from_both_sides(store, message):
    lost = await message(to={"one": 2})
    await store.collection(COLLECTION).delete_one({"_id": lost["_id"]})
    assert (await line_of(store)).unaccounted == 2
    await message(BEGIN + MINUTE, entry=False)
    assert (await line_of(store, since=BEGIN + MINUTE)).unaccounted == -1


async def test_messages_are_counted_in_the_minute_of_their_acceptance(store, message):
    for seconds in (0, 59, 60):
        await message(BEGIN + timedelta(seconds=seconds))
    assert (await line_of(store)).accepted == 2
    assert (await line_of(store, since=BEGIN + MINUTE)).accepted == 1


async def test_the_comparison_in_the_store_says_the_same_as_the_lines(store, message):
    await message(to={"one": 2, "two": 1})
    lost = await message(to={"three": 5})
    await store.collection(COLLECTION).delete_one({"_id": lost["_id"]})
    await message(entry=False, to={"four": 2})
    found = (await compare_minutes(store, BEGIN, BEGIN + MINUTE))[BEGIN]
    lines = {line.tenant: line for line in await Ledger(store).compare(BEGIN, BEGIN + MINUTE)}
    assert {line.tenant: line.unaccounted for line in found.differing} == {"three": 5, "four": -2}
    assert found.difference == sum(abs(line.unaccounted) for line in lines.values()) == 7
    assert found.totals["accepted"] == sum(line.accepted for line in lines.values()) == 8
    assert not found.complete
    assert await compare_minutes(store, BEGIN + MINUTE, BEGIN + HOUR) == {}


async def test_the_lines_of_one_minute_that_are_returned_are_bounded_and_their_sum_is_not(store):
    tenants = {f"t{number}": 1 for number in range(MOST_LINES + 20)}
    row = {"recipients": recipients(**tenants)}
    await write_entry(store, entry_of(ObjectId(), BEGIN, "edge", [row]))
    found = (await compare_minutes(store, BEGIN, BEGIN + MINUTE))[BEGIN]
    assert (len(found.differing), found.difference) == (MOST_LINES, MOST_LINES + 20)


async def test_a_closed_minute_keeps_its_totals_and_closing_it_again_changes_nothing(store, message):
    await message(state="done", sum={"tenant": "one", "result": "delivered", "count": 1})
    ledger = Ledger(store)
    lines = await ledger.compare(BEGIN, BEGIN + MINUTE)
    for _ in range(2):
        await ledger.close(BEGIN, lines)
    await ledger.mark_audited(BEGIN + HOUR)
    await store.collection(COLLECTION).delete_many({})
    [hour] = await ledger.hourly_lines(BEGIN, BEGIN + HOUR)
    assert (hour.accepted, hour.became["delivered"], hour.unaccounted) == (1, 1, 0)
    assert await store.collection(ENTRIES).count_documents({}) == 0


async def test_an_hour_adds_up_its_closed_and_its_open_minutes(store, message):
    ledger = Ledger(store)
    await message(state="done", sum={"tenant": "one", "result": "delivered", "count": 1})
    await ledger.close(BEGIN, await ledger.compare(BEGIN, BEGIN + MINUTE))
    await message(BEGIN + 30 * MINUTE, to={"one": 2})
    await message(BEGIN + HOUR)
    await ledger.mark_audited(BEGIN + MINUTE)
    first, second = await ledger.hourly_lines(BEGIN, BEGIN + 2 * HOUR)
    assert (first.since, first.accepted, became(first)) == (BEGIN, 3, {"delivered": 1, "in_flight": 2})
    assert (second.since, second.accepted) == (BEGIN + HOUR, 1)
    assert [line.since for line in await ledger.hourly_lines(BEGIN + HOUR, BEGIN + 2 * HOUR)] == [
        BEGIN + HOUR
    ]


async def test_what_was_audited_never_goes_back(store):
    ledger = Ledger(store)
    await ledger.mark_audited(BEGIN + HOUR)
    await ledger.mark_audited(BEGIN)
    assert await ledger.open_minutes(BEGIN, BEGIN + HOUR + 2 * MINUTE) == {
        BEGIN + HOUR,
        BEGIN + HOUR + MINUTE,
    }


async def test_before_the_first_audit_all_minutes_since_the_first_message_are_open(store, message):
    ledger = Ledger(store)
    assert await ledger.open_minutes(BEGIN, BEGIN + HOUR) == set(), "there was never a message"
    await message(BEGIN + 57 * MINUTE, entry=False)
    assert await ledger.open_minutes(BEGIN, BEGIN + HOUR) == {
        BEGIN + number * MINUTE for number in (57, 58, 59)
    }


async def test_entries_are_recovered_for_each_batch_of_the_time_and_existing_ones_stay(store, message):
    await message()
    batch = ObjectId()
    await message(entry=False, batch=batch, to={"one": 2})
    await message(entry=False, batch=batch, to={"two": 1})
    await message(BEGIN + MINUTE, entry=False)
    assert await Ledger(store).recover_entries(BEGIN, BEGIN + MINUTE, "router") == 1
    entry = await store.collection(ENTRIES).find_one({"_id": batch})
    assert {each["tenant"]: each["count"] for each in entry["recipients"]} == {"one": 2, "two": 1}
    assert (entry["edge"], entry["at"]) == ("router", BEGIN)
    assert await store.collection(ENTRIES).count_documents({}) == 2
    assert [line.unaccounted for line in await Ledger(store).compare(BEGIN, BEGIN + MINUTE)] == [0, 0]


async def test_rows_of_legs_and_of_0_2_0_without_a_batch_get_no_entry(store, message):
    whole = await message()
    await store.collection(COLLECTION).insert_many(
        [
            {"_id": f"{whole['_id']}.1", "accepted_at": BEGIN, "recipients": []},
            {"_id": new_spool_id(BEGIN), "accepted_at": BEGIN, "recipients": recipients(one=1)},
        ]
    )
    assert await Ledger(store).recover_entries(BEGIN, BEGIN + MINUTE, "router") == 0


async def test_an_unreachable_store_is_no_balanced_ledger():
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=100)
    for question in (
        Ledger(store).hourly_lines(BEGIN, BEGIN + HOUR),
        Ledger(store).compare(BEGIN, BEGIN + MINUTE),
        compare_minutes(store, BEGIN, BEGIN + MINUTE),
        write_entry(store, {"_id": ObjectId(), "recipients": recipients(one=1)}),
    ):
        with pytest.raises(Unavailable):
            await question
    await store.close()


@given(st.sets(st.integers(0, 300)), st.integers(1, 60))
def test_spans_hold_every_minute_once_and_none_is_too_long(numbers, longest):
    minutes = {BEGIN + number * MINUTE for number in numbers}
    found = spans(minutes, longest)
    held = [first + number * MINUTE for first, end in found for number in range(int((end - first) / MINUTE))]
    assert held == sorted(minutes)
    assert all(MINUTE <= end - first <= longest * MINUTE for first, end in found)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_lies_in_its_minute_and_its_minute_in_its_hour(moment):
    assert timedelta() <= moment - minute_of(moment) < MINUTE
    assert timedelta() <= minute_of(moment) - hour_of(moment) <= 59 * MINUTE


@given(
    st.integers(0, 9), st.integers(-9, 9), st.dictionaries(st.sampled_from(list(Result)), st.integers(0, 9))
)
def test_what_is_unaccounted_is_what_was_accepted_and_added_and_has_not_become_anything(
    accepted, expanded, counts
):
    line = LedgerLine("one", BEGIN, accepted, expanded, counts)
    assert line.unaccounted + sum(counts.values()) == accepted + expanded
