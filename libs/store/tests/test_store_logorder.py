"""Where inserts stand in the log: what a later write of the same term makes safe, and when nothing can be said."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, NotPrimaryError, ServerSelectionTimeoutError

from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import DURABLE, Store
from mailyard.store.logorder import SOON, InsertReply, insert_rows


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    yield store
    await store.close()


class Answering:
    """A database that answers every command in one way."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self._answer = answer

    async def command(self, _command: Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Answered:
    """As much of a store as an insert needs."""

    def __init__(self, answer: Mapping[str, Any] | Exception, *, has_one_log: bool = True) -> None:
        self.db = Answering(answer)
        self.has_one_log = has_one_log


async def test_inserts_of_one_primary_have_one_term(store: Store) -> None:
    soon = await insert_rows(store, "a", [{"_id": 1}, {"_id": 2}], SOON)
    durably = await insert_rows(store, "b", [{"_id": 1}], DURABLE)
    assert soon.term == durably.term
    assert soon.term is not None
    assert await store.collection("a").count_documents({}) == 2


async def test_a_row_that_is_there_is_refused_and_the_others_are_written(store: Store) -> None:
    await insert_rows(store, "a", [{"_id": 1}], SOON)
    again = await insert_rows(store, "a", [{"_id": 1}, {"_id": 2}], DURABLE)
    assert [(each["index"], each["keyPattern"]) for each in again.refused] == [(0, {"_id": 1})]
    assert await store.collection("a").count_documents({}) == 2


@pytest.mark.parametrize(
    "answer",
    [
        AutoReconnect("cut"),
        NotPrimaryError("stepped down"),
        {"ok": 1, "n": 1},
        {"ok": 1, "n": 1, "opTime": {"t": 3}, "writeConcernError": {"code": 64}},
    ],
)
async def test_nothing_is_said_where_the_server_did_not_say_it(answer: Mapping[str, Any] | Exception) -> None:
    reply = await insert_rows(Answered(answer), "a", [{"_id": 1}], DURABLE)  # type: ignore[arg-type]
    assert reply == InsertReply(None)


async def test_shards_have_a_log_each_so_nothing_is_said_of_an_order() -> None:
    shards = Answered({"ok": 1, "n": 1, "opTime": {"t": 1}}, has_one_log=False)
    assert await insert_rows(shards, "a", [{"_id": 1}], SOON) == InsertReply(None)  # type: ignore[arg-type]


async def test_no_primary_is_an_error_at_once() -> None:
    unreachable = Answered(ServerSelectionTimeoutError("no primary"))
    with pytest.raises(ServerSelectionTimeoutError):
        await insert_rows(unreachable, "a", [{"_id": 1}], SOON)  # type: ignore[arg-type]


async def test_bodies_put_ahead_are_whole_and_can_be_put_again(store: Store) -> None:
    blobs = Blobs(store)
    bodies = [Body(ObjectId(), 3, b"abc"), Body(ObjectId(), 0, b""), Body(ObjectId(), 9, None)]
    assert await blobs.put_ahead(bodies) is not None
    await blobs.put_many(bodies)
    found = await blobs.read_many([body.blob_id for body in bodies])
    assert found == {bodies[0].blob_id: b"abc", bodies[1].blob_id: b""}


async def test_bodies_that_were_there_before_have_no_known_place(store: Store) -> None:
    blobs = Blobs(store)
    body = Body(ObjectId(), 3, b"abc")
    await blobs.put(body)
    assert await blobs.put_ahead([body]) is None
