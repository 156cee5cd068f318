"""Documents change together or not at all, and a conflict with another writer is tried again, within bounds."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.store.client import Store
from mailyard.store.transaction import Contended, in_transaction


def retries() -> float:
    return REGISTRY.get_sample_value("mailyard_store_transaction_retries_total") or 0.0


async def test_the_changes_of_a_transaction_are_there_together_with_its_result(store: Store) -> None:
    async def work(session: AsyncClientSession) -> str:
        await store.collection("a").insert_one({"_id": 1}, session=session)
        await store.collection("b").insert_one({"_id": 1}, session=session)
        assert await store.collection("a").count_documents({}) == 0, "nobody else sees it yet"
        return "done"

    await store.db.create_collection("a")
    await store.db.create_collection("b")
    assert await in_transaction(store, work) == "done"
    assert await store.collection("a").count_documents({}) == 1
    assert await store.collection("b").count_documents({}) == 1


async def test_an_error_undoes_everything_and_is_raised_as_it_is(store: Store) -> None:
    async def work(session: AsyncClientSession) -> None:
        await store.collection("a").insert_one({"_id": 1}, session=session)
        raise ValueError("not this one")

    await store.db.create_collection("a")
    with pytest.raises(ValueError, match="not this one"):
        await in_transaction(store, work)
    assert await store.collection("a").count_documents({}) == 0


async def test_a_duplicate_key_is_not_tried_again(store: Store) -> None:
    calls = 0

    async def work(session: AsyncClientSession) -> None:
        nonlocal calls
        calls += 1
        await store.collection("a").insert_one({"_id": 1}, session=session)

    await store.collection("a").insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        await in_transaction(store, work)
    assert calls == 1


async def test_a_conflict_is_tried_again_and_counted_and_no_change_is_lost(store: Store) -> None:
    await store.collection("a").insert_one({"_id": 1, "n": 0})
    before = retries()
    both_have_read = asyncio.Barrier(2)
    tries = 0

    async def work(session: AsyncClientSession) -> None:
        nonlocal tries
        tries += 1
        row = await store.collection("a").find_one({"_id": 1}, session=session)
        assert row is not None
        if tries <= 2:
            await both_have_read.wait()
        await store.collection("a").update_one({"_id": 1}, {"$set": {"n": row["n"] + 1}}, session=session)

    await asyncio.gather(in_transaction(store, work), in_transaction(store, work))
    row = await store.collection("a").find_one({"_id": 1})
    assert row == {"_id": 1, "n": 2}
    assert tries >= 3
    assert retries() - before == tries - 2


async def test_a_writer_that_always_meets_another_gives_up_after_its_tries(store: Store) -> None:
    """The other transaction stays open, so that each try meets an uncommitted write."""
    await store.collection("a").insert_one({"_id": 1, "n": 0})
    calls = 0

    async def work(session: AsyncClientSession) -> None:
        nonlocal calls
        calls += 1
        await store.collection("a").update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    async with store.client.start_session() as other, await other.start_transaction():
        await store.collection("a").update_one({"_id": 1}, {"$inc": {"n": 10}}, session=other)
        with pytest.raises(Contended):
            await in_transaction(store, work, max_tries=2)
    assert calls == 2
    assert await store.collection("a").find_one({"_id": 1}) == {"_id": 1, "n": 10}
