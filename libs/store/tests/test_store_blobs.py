"""Bodies: octet for octet, in GridFS layout, with memory bounded."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from gridfs.asynchronous.grid_file import AsyncGridFSBucket
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from mailyard.runtime.errors import Unavailable
from mailyard.store.blobs import CHUNKS, Blobs, BodyMissing
from mailyard.store.body import CHUNK_SIZE
from mailyard.store.client import LISTENERS, Store

AWKWARD = b"\x00\xff\r\n.\r\nbare\nand\rtoo" + bytes(range(256))


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await Blobs(store).ensure_indexes()
    yield store
    await store.close()


async def stored(blobs: Blobs, octets: bytes, piece: int = 30_001) -> ObjectId:
    writer = blobs.writer()
    for start in range(0, len(octets), piece):
        await writer.write(octets[start : start + piece])
    body = await writer.finish()
    assert body.size == len(octets)
    return await blobs.put(body)


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 3 * CHUNK_SIZE + 17]
)
async def test_what_goes_in_comes_out_by_every_way_of_reading(store: Store, size: int) -> None:
    blobs = Blobs(store)
    octets = (AWKWARD + os.urandom(997)) * (size // 1200 + 1)
    octets = octets[:size]
    blob_id = await stored(blobs, octets)
    assert await blobs.read(blob_id) == octets
    assert b"".join([piece async for piece in blobs.stream(blob_id)]) == octets
    assert await (await AsyncGridFSBucket(store.db, "mail").open_download_stream(blob_id)).read() == octets


class _InFlight(CommandListener):
    """Counts commands on chunks that are under way at once."""

    def __init__(self) -> None:
        self.under_way: set[int] = set()
        self.most = 0

    def started(self, event: CommandStartedEvent) -> None:
        if CHUNKS in (event.command.get(event.command_name), event.command.get("collection")):
            self.under_way.add(event.request_id)
            self.most = max(self.most, len(self.under_way))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.under_way.discard(event.request_id)

    def failed(self, event: CommandFailedEvent) -> None:
        self.under_way.discard(event.request_id)


async def test_long_bodies_take_turns_so_that_other_commands_do_not_wait(
    mongo_url: str, database: str
) -> None:
    counted = _InFlight()
    LISTENERS.append(counted)
    store = Store(mongo_url, database)
    try:
        await store.start()
        blobs = Blobs(store)
        octets = os.urandom(8 * CHUNK_SIZE)
        ids = await asyncio.gather(*(stored(blobs, octets, piece=CHUNK_SIZE) for _ in range(20)))
        assert 1 < counted.most <= 4
        counted.most = 0

        async def read(blob_id: ObjectId) -> bytes:
            return b"".join([piece async for piece in blobs.stream(blob_id)])

        assert set(await asyncio.gather(*map(read, ids))) == {octets}
        assert 1 < counted.most <= 4
    finally:
        LISTENERS.remove(counted)
        await store.close()


async def test_a_reader_that_stops_holds_up_no_other(store: Store) -> None:
    blobs = Blobs(store)
    octets = os.urandom(8 * CHUNK_SIZE)
    blob_id = await stored(blobs, octets)
    stopped = [blobs.stream(blob_id) for _ in range(10)]
    for each in stopped:
        await anext(each)
    async with asyncio.timeout(10):
        assert b"".join([piece async for piece in blobs.stream(blob_id)]) == octets


async def test_a_range_is_read_across_chunks(store: Store) -> None:
    blobs = Blobs(store)
    octets = os.urandom(3 * CHUNK_SIZE)
    blob_id = await stored(blobs, octets)
    for start, end in (
        (0, 1),
        (CHUNK_SIZE - 1, CHUNK_SIZE + 1),
        (10, 2 * CHUNK_SIZE + 5),
        (5, 5),
        (7, 10**9),
    ):
        assert await blobs.read_range(blob_id, start, end) == octets[start:end]


async def test_many_small_bodies_are_read_in_one_go_and_missing_ones_left_out(store: Store) -> None:
    blobs = Blobs(store)
    bodies = {await stored(blobs, bytes([number]) * number): number for number in range(5)}
    found = await blobs.read_many([*bodies, ObjectId()])
    assert {blob_id: len(octets) for blob_id, octets in found.items()} == bodies


async def test_putting_a_body_again_changes_nothing(store: Store) -> None:
    blobs = Blobs(store)
    writer = blobs.writer()
    await writer.write(b"once")
    body = await writer.finish()
    await blobs.put(body)
    await blobs.put(body)
    assert await blobs.read(body.blob_id) == b"once"


async def test_a_missing_body_and_a_missing_chunk_are_told_apart_from_an_empty_one(store: Store) -> None:
    blobs = Blobs(store)
    with pytest.raises(BodyMissing):
        await blobs.read(ObjectId())
    blob_id = await stored(blobs, os.urandom(3 * CHUNK_SIZE))
    await store.collection("mail.chunks").delete_one({"files_id": blob_id, "n": 1})
    with pytest.raises(BodyMissing):
        async for _ in blobs.stream(blob_id):
            pass


async def test_an_aborted_body_leaves_nothing(store: Store) -> None:
    blobs = Blobs(store)
    writer = blobs.writer()
    await writer.write(bytes(2 * CHUNK_SIZE))
    await writer.abort()
    assert await store.collection("mail.chunks").count_documents({}) == 0


async def test_chunks_that_a_dead_writer_left_are_found_also_between_bodies_of_many_chunks(
    store: Store,
) -> None:
    blobs = Blobs(store)
    ids = []
    for number in range(6):
        if number % 2:
            writer = blobs.writer()
            await writer.write(bytes(CHUNK_SIZE + 1))  # and then it dies
            ids += await store.collection("mail.chunks").distinct("files_id", {"files_id": {"$nin": ids}})
        else:
            ids.append(await stored(blobs, os.urandom(5 * CHUNK_SIZE)))
    last = ObjectId("f" * 24)
    assert await blobs.ids_after(ObjectId("0" * 24), last, 100) == ids
    walked: list[ObjectId] = [ObjectId("0" * 24)]
    while found := await blobs.ids_after(walked[-1], last, 2):
        walked += found
    assert walked[1:] == ids


async def test_deleting_bodies_removes_a_bounded_number_of_octets_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailyard.store.blobs._DELETE_OCTETS", 3 * CHUNK_SIZE)
    blobs = Blobs(store)
    ids = [await stored(blobs, os.urandom(2 * CHUNK_SIZE)) for _ in range(4)]
    await store.db.command("profile", 2)
    await blobs.delete(ids)
    await store.db.command("profile", 0)
    removals = store.collection("system.profile").find({"op": "remove", "ns": {"$regex": "chunks"}})
    assert [each["ndeleted"] async for each in removals] == [2, 2, 2, 2]
    assert await store.collection("mail.chunks").count_documents({}) == 0


@pytest.mark.parametrize("size", [1, 70_000, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 3 * CHUNK_SIZE + 17])
@pytest.mark.parametrize("piece", [30_000, 300_000])
async def test_a_body_that_is_parked_on_the_way_is_the_same_and_holds_nothing(
    store: Store, size: int, piece: int
) -> None:
    blobs = Blobs(store)
    octets = os.urandom(size)
    writer = blobs.writer()
    for number, start in enumerate(range(0, size, piece)):
        await writer.write(octets[start : start + piece])
        if number % 3 != 1:
            await writer.park()
            assert writer.held == 0
    assert writer.size == size
    body = await writer.finish()
    assert (body.size, body.octets) == (size, None)
    assert await blobs.read(body.blob_id) == octets
    assert await blobs.read_range(body.blob_id, size // 2, size) == octets[size // 2 :]
    chunks = await store.collection("mail.chunks").count_documents({"files_id": body.blob_id})
    assert chunks == -(-size // CHUNK_SIZE)
    assert await store.collection("mail.parked").count_documents({}) == 0


async def test_a_parked_body_that_is_aborted_leaves_nothing(store: Store) -> None:
    writer = Blobs(store).writer()
    await writer.write(b"x" * 1000)
    await writer.park()
    assert await store.collection("mail.parked").count_documents({}) == 1
    await writer.abort()
    assert await store.collection("mail.parked").count_documents({}) == 0


async def test_a_parked_body_is_received_without_reading_or_changing_chunks(store: Store) -> None:
    await store.db.command("profile", 2)
    writer = Blobs(store).writer()
    for _ in range(4):
        await writer.write(b"x" * 200_000)
        await writer.park()
    await writer.finish()
    await store.db.command("profile", 0)
    operations = store.collection("system.profile").find({"ns": {"$regex": "mail[.]chunks$"}})
    assert {each["op"] async for each in operations} == {"insert"}


async def test_a_body_whose_parked_part_is_lost_is_never_finished(store: Store) -> None:
    writer = Blobs(store).writer()
    await writer.write(b"x" * 1000)
    await writer.park()
    await store.collection("mail.parked").delete_many({})
    with pytest.raises(Unavailable, match="lost a part of the body"):
        await writer.finish()


async def test_what_stays_parked_ends_by_itself(store: Store) -> None:
    await Blobs(store).ensure_indexes()
    indexes = await store.collection("mail.parked").index_information()
    assert {each.get("expireAfterSeconds") for each in indexes.values()} == {None, 86_400}


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


async def test_an_aborted_body_leaves_nothing_in_any_collection(store: Store) -> None:
    writer = Blobs(store).writer()
    await writer.write(b"x" * CHUNK_SIZE + b"y")
    await writer.park()
    await writer.abort()
    for name in ("mail.files", "mail.chunks", "mail.parked"):
        assert await store.collection(name).count_documents({}) == 0
