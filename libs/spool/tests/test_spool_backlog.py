"""The backlog counts every open row once, by tenant and by state, and never for longer than its limit."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.runtime.errors import Unavailable
from mailyard.spool.row import COLLECTION, RowState
from mailyard.spool.watch.backlog import Backlog, CountTimedOut, count_backlog, largest
from mailyard.store.client import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT_MS = 20_000


def row(name, tenant, state, due_at=NOW):
    open_ = {"due_at": due_at} if state in ("active", "deferred") else {}
    return {"_id": name, "tenant": tenant, "state": state, **open_}


async def test_without_open_rows_the_backlog_is_empty(store):
    await store.collection(COLLECTION).insert_one(row("a", "one", "done"))
    assert await count_backlog(store, LIMIT_MS) == Backlog(
        {}, {RowState.ACTIVE: 0, RowState.DEFERRED: 0, RowState.HELD: 0}, None
    )


async def test_open_rows_are_counted_by_tenant_and_state_and_ended_ones_are_not(store):
    earliest = NOW - timedelta(days=2)
    await store.collection(COLLECTION).insert_many(
        [
            row("a", "one", "active", NOW - timedelta(days=3)),
            row("b", "one", "deferred", NOW),
            row("c", "two", "deferred", earliest),
            row("d", "two", "deferred", NOW + timedelta(hours=1)),
            row("e", "two", "split"),
            row("f", "two", "done"),
        ]
    )
    backlog = await count_backlog(store, LIMIT_MS)
    assert backlog.tenants == {"one": 2, "two": 2}
    assert backlog.states == {RowState.ACTIVE: 1, RowState.DEFERRED: 3, RowState.HELD: 0}
    assert backlog.earliest_due == earliest, "the time of a deferred row; an active row is not due"


async def test_the_count_reads_index_keys_and_no_row(store):
    rows = [row(f"{number}", f"t{number % 7}", "deferred") for number in range(500)]
    await store.collection(COLLECTION).insert_many(rows)
    await store.db.command("profile", 2)
    await count_backlog(store, LIMIT_MS)
    await store.db.command("profile", 0)
    [plan] = await store.collection("system.profile").find({"command.aggregate": COLLECTION}).to_list()
    assert (plan["docsExamined"], plan["keysExamined"] <= 501) == (0, True)


async def test_a_count_that_takes_too_long_is_stopped_and_says_so(store):
    rows = [row(f"{number}", f"t{number}", "deferred") for number in range(20_000)]
    await store.collection(COLLECTION).insert_many(rows)
    with pytest.raises(CountTimedOut, match="within 1 ms"):
        await count_backlog(store, 1)


async def test_a_store_that_is_unreachable_is_no_empty_backlog():
    store = Store("mongodb://127.0.0.1:1/?directConnection=true", "nowhere", timeout_ms=100)
    with pytest.raises(Unavailable):
        await count_backlog(store, LIMIT_MS)
    await store.close()


def test_the_largest_tenants_are_named_and_equal_ones_by_name():
    assert largest({"b": 5, "c": 9, "a": 5, "d": 1}, 2) == ({"c": 9, "a": 5}, 6)
    assert largest({}, 3) == ({}, 0)
    assert largest({"a": 1}, 0) == ({}, 1)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 50)), st.integers(0, 12))
def test_no_mail_is_lost_between_the_named_tenants_and_the_others(tenants, most):
    named, others = largest(tenants, most)
    assert len(named) == min(most, len(tenants))
    assert sum(named.values()) + others == sum(tenants.values())
    left = Counter(tenants)
    left.subtract(named)
    assert max(left.values(), default=0) <= min(named.values(), default=50)
