"""A lease has one holder at a time; checks of bodies and refusals are remembered as long as they must be."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.runtime.errors import Unavailable
from mailyard.store.blobs import Blobs, BodyMissing
from mailyard.store.body import CHUNK_SIZE, BodyWriter
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import Store
from mailyard.store.lease import Lease
from mailyard.store.refusals import (
    AUTHENTICATION_FAILED,
    REFUSED_LOGIN,
    REFUSED_RIGHT,
    REMEMBERED_SECONDS,
    UNAUTHORIZED,
    RecentRefusal,
    note_refusal,
)
from mailyard.store.transaction import Contended, in_transaction

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LENGTH = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await Blobs(store).ensure_indexes()
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def _nothing_refused() -> Iterator[None]:
    """Refusals belong to the process."""
    yield
    REFUSED_LOGIN.forget()
    REFUSED_RIGHT.forget()


async def test_a_lease_has_one_holder_until_it_ends(store: Store) -> None:
    clock = Clock()
    first, second = (Lease(store, "work", name, length=LENGTH, clock=clock) for name in ("one", "two"))
    assert await first.hold()
    assert not await second.hold()
    clock.now += LENGTH
    assert await first.hold(), "the holder renews"
    clock.now += LENGTH
    assert not await second.hold()
    clock.now += SECOND
    assert await second.hold()
    assert not await first.hold()


async def test_a_lease_that_is_released_is_free_at_once_and_others_are_untouched(store: Store) -> None:
    first, second = (Lease(store, "work", name, length=LENGTH) for name in ("one", "two"))
    other = Lease(store, "other", "one", length=LENGTH)
    assert await first.hold()
    assert await other.hold()
    await second.release()
    assert not await second.hold(), "only the holder releases"
    await first.release()
    assert await second.hold()
    assert await other.hold()


async def test_a_noted_body_is_due_until_its_check_has_ended(store: Store) -> None:
    checks, body = BodyChecks(store), ObjectId()
    await checks.note([body, body], NOW)
    await checks.note([], NOW)
    assert await checks.due(NOW - SECOND, 10) == []
    due = await checks.due(NOW, 10)
    assert [each.blob_id for each in due] == [body]
    await checks.end(due)
    assert await checks.due(NOW, 10) == []


async def test_a_body_that_is_noted_again_during_its_check_stays_due(store: Store) -> None:
    checks, body = BodyChecks(store), ObjectId()
    await checks.note([body], NOW)
    due = await checks.due(NOW, 10)
    await checks.note([body], NOW + SECOND)
    await checks.end(due)
    assert [each.blob_id for each in await checks.due(NOW + SECOND, 10)] == [body]


async def test_a_needed_body_is_checked_in_growing_intervals_of_a_day_at_most(store: Store) -> None:
    checks, body = BodyChecks(store), ObjectId()
    await checks.note([body], NOW)
    for age, wait in ((timedelta(minutes=1), timedelta(minutes=15)), (timedelta(days=2), timedelta(days=1))):
        moment = NOW + age
        await checks.postpone(await checks.due(moment, 10), moment)
        assert await checks.due(moment + wait - SECOND, 10) == []
        assert len(await checks.due(moment + wait, 10)) == 1


async def test_the_walk_over_new_bodies_never_goes_back(store: Store) -> None:
    checks = BodyChecks(store)
    first, second = sorted((ObjectId(), ObjectId()))
    assert await checks.walked() < first
    await checks.walk_to(second)
    await checks.walk_to(first)
    assert await checks.walked() == second


async def test_a_small_body_is_returned_unwritten_and_a_large_one_is_in_the_store(store: Store) -> None:
    blobs = Blobs(store)
    writer = blobs.writer()
    await writer.write(b"small")
    assert writer.size == writer.held == 5
    small = await writer.finish()
    assert small.octets == b"small"
    with pytest.raises(BodyMissing):
        await blobs.read(small.blob_id)
    writer = blobs.writer()
    for _ in range(3):
        await writer.write(b"x" * CHUNK_SIZE)
        assert writer.held <= CHUNK_SIZE
    large = await writer.finish()
    assert (large.octets, large.size) == (None, 3 * CHUNK_SIZE)
    assert await blobs.read(large.blob_id) == b"x" * 3 * CHUNK_SIZE


async def test_a_parked_body_holds_nothing_and_is_whole_in_the_end(store: Store) -> None:
    blobs = Blobs(store)
    writer = blobs.writer()
    for piece in (b"a" * 1000, b"b" * CHUNK_SIZE, b"c" * 7):
        await writer.write(piece)
        await writer.park()
        assert writer.held == 0
    body = await writer.finish()
    assert await blobs.read(body.blob_id) == b"a" * 1000 + b"b" * CHUNK_SIZE + b"c" * 7
    assert await store.collection("mail.parked").count_documents({}) == 0


async def test_a_body_whose_parked_part_is_lost_is_not_stored_short(store: Store) -> None:
    writer: BodyWriter = Blobs(store).writer()
    await writer.write(b"a" * 1000)
    await writer.park()
    await store.collection("mail.parked").delete_many({})
    with pytest.raises(Unavailable, match="lost a part of the body"):
        await writer.finish()


async def test_an_aborted_body_leaves_nothing(store: Store) -> None:
    writer = Blobs(store).writer()
    await writer.write(b"x" * CHUNK_SIZE + b"y")
    await writer.park()
    await writer.abort()
    for name in ("mail.files", "mail.chunks", "mail.parked"):
        assert await store.collection(name).count_documents({}) == 0


async def test_a_transaction_writes_everything_or_nothing(store: Store) -> None:
    rows = store.collection("rows")
    await rows.insert_one({"_id": 0})

    async def fail(session: AsyncClientSession) -> None:
        await rows.insert_one({"_id": 1}, session=session)
        raise ValueError("halfway")

    async def succeed(session: AsyncClientSession) -> str:
        await rows.insert_many([{"_id": 2}, {"_id": 3}], session=session)
        return "done"

    with pytest.raises(ValueError, match="halfway"):
        await in_transaction(store, fail)
    assert await in_transaction(store, succeed) == "done"
    assert await rows.distinct("_id") == [0, 2, 3]


async def test_a_transaction_gives_up_after_its_permitted_conflicts(store: Store) -> None:
    rows = store.collection("rows")
    await rows.insert_one({"_id": 0, "n": 0})
    tries = 0

    async def lose(session: AsyncClientSession) -> None:
        nonlocal tries
        tries += 1
        await rows.find_one({"_id": 0}, session=session)
        await rows.update_one({"_id": 0}, {"$inc": {"n": 1}})  # another writer is first
        await rows.update_one({"_id": 0}, {"$inc": {"n": 100}}, session=session)

    with pytest.raises(Contended):
        await in_transaction(store, lose, max_tries=2)
    assert tries == 2
    assert (await rows.find_one({"_id": 0}) or {})["n"] == 2


def test_a_refusal_is_remembered_for_a_while() -> None:
    now = [0.0]
    refusal = RecentRefusal(lambda: now[0])
    assert refusal.current() is None
    assert refusal.note("no") == "no"
    now[0] = REMEMBERED_SECONDS - 1
    assert refusal.current() == "no"
    now[0] = REMEMBERED_SECONDS
    assert refusal.current() is None
    refusal.note("again")
    refusal.forget()
    assert refusal.current() is None


def test_what_a_person_must_fix_is_named_without_the_documents_of_the_command() -> None:
    right = note_refusal(UNAUTHORIZED, "not authorized on mail to execute command { insert: x }, secret: 1")
    assert right is not None
    assert right.startswith("MongoDB: not authorized on mail")
    assert "secret" not in right
    assert "authSource" in (note_refusal(AUTHENTICATION_FAILED, "") or "")
    assert note_refusal(11_000, "duplicate key") is None
