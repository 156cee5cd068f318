"""Bodies whose references are checked: noted before a reference goes, forgotten when nothing has noted them since."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.store.bodychecks import COLLECTION, INDEXES, BodyChecks
from mailyard.store.client import Store
from mailyard.store.indexes import create_indexes

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A, B, C = (ObjectId(bytes([number]) * 12) for number in (1, 2, 3))


@pytest.fixture
async def checks(store: Store) -> BodyChecks:
    await create_indexes(store, COLLECTION, INDEXES)
    return BodyChecks(store)


async def due(checks: BodyChecks, at: datetime, limit: int = 10) -> list[ObjectId]:
    return [each.blob_id for each in await checks.due(at, limit)]


async def test_a_noted_body_is_due_at_once_and_not_before(checks: BodyChecks) -> None:
    await checks.note([A], NOW)
    assert await due(checks, NOW - MINUTE) == []
    assert await due(checks, NOW) == [A]


async def test_the_bodies_that_are_due_for_longest_come_first_and_within_the_limit(
    checks: BodyChecks,
) -> None:
    for number, blob_id in enumerate((C, A, B)):
        await checks.note([blob_id], NOW + number * MINUTE)
    assert await due(checks, NOW + 5 * MINUTE) == [C, A, B]
    assert await due(checks, NOW + 5 * MINUTE, limit=2) == [C, A]


async def test_a_body_that_is_noted_twice_is_due_since_the_first_time(checks: BodyChecks) -> None:
    await checks.note([A, A], NOW)
    await checks.note([A], NOW + 5 * MINUTE)
    (check,) = await checks.due(NOW, 10)
    assert (check.noted_at, check.notes) == (NOW, 2)


async def test_a_body_whose_check_has_ended_is_forgotten(checks: BodyChecks) -> None:
    await checks.note([A, B], NOW)
    first, _ = await checks.due(NOW, 10)
    await checks.end([first])
    assert await due(checks, NOW) == [B]


async def test_a_body_that_was_noted_after_it_was_read_is_not_forgotten(checks: BodyChecks) -> None:
    """Another process is about to remove a reference: the check must be repeated after that."""
    await checks.note([A], NOW)
    read = await checks.due(NOW, 10)
    await checks.note([A], NOW + MINUTE)
    await checks.end(read)
    assert await due(checks, NOW + MINUTE) == [A]


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        (MINUTE, 15 * MINUTE),
        (timedelta(hours=1), timedelta(hours=15)),
        (timedelta(hours=2), timedelta(days=1)),
        (timedelta(days=300), timedelta(days=1)),
    ],
)
async def test_a_body_that_is_still_needed_waits_longer_each_time_and_a_day_at_most(
    checks: BodyChecks, age: timedelta, pause: timedelta
) -> None:
    await checks.note([A], NOW - age)
    await checks.postpone(await checks.due(NOW, 10), NOW)
    assert await due(checks, NOW + pause - timedelta(seconds=1)) == []
    assert await due(checks, NOW + pause) == [A]


async def test_a_postponed_body_that_is_noted_again_is_due_at_once(checks: BodyChecks) -> None:
    await checks.note([A], NOW - timedelta(days=1))
    await checks.postpone(await checks.due(NOW, 10), NOW)
    await checks.note([A], NOW + MINUTE)
    assert await due(checks, NOW + MINUTE) == [A]


async def test_the_walk_over_new_bodies_begins_at_the_first_id_and_never_goes_back(
    checks: BodyChecks,
) -> None:
    assert await checks.walked() == ObjectId(b"\0" * 12)
    await checks.walk_to(B)
    await checks.walk_to(A)
    assert await checks.walked() == B
    assert await due(checks, NOW) == [], "the row of the walk is no body"


async def test_nothing_to_write_is_no_command(checks: BodyChecks, store: Store) -> None:
    await checks.note([], NOW)
    await checks.end([])
    await checks.postpone([], NOW)
    assert await store.collection(COLLECTION).count_documents({}) == 0
