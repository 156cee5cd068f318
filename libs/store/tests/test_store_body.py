"""The writer of a body holds little, writes whole chunks in order, and leaves nothing behind when it is aborted."""

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailyard.runtime.errors import Unavailable
from mailyard.store.body import CHUNK_SIZE, BodyWriter


class Memory:
    """A store of chunks in memory."""

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.parked: dict[ObjectId, bytes] = {}
        self.files: dict[ObjectId, int] = {}
        self.reads = 0

    async def insert_chunks(self, _blob_id: ObjectId, first: int, octets: memoryview) -> None:
        for number, start in enumerate(range(0, len(octets), CHUNK_SIZE)):
            assert first + number not in self.chunks, "a chunk is written once"
            self.chunks[first + number] = bytes(octets[start : start + CHUNK_SIZE])

    async def park(self, blob_id: ObjectId, octets: bytes) -> None:
        self.parked[blob_id] = octets

    async def unpark(self, blob_id: ObjectId) -> bytes:
        self.reads += 1
        return self.parked.pop(blob_id, b"")

    async def insert_file(self, blob_id: ObjectId, size: int) -> None:
        self.files[blob_id] = size

    async def delete(self, blob_ids: list[ObjectId]) -> None:
        for blob_id in blob_ids:
            self.files.pop(blob_id, None)
        self.chunks.clear()

    def octets(self) -> bytes:
        return b"".join(self.chunks[number] for number in sorted(self.chunks))


@given(
    st.lists(
        st.tuples(st.integers(0, 2 * CHUNK_SIZE + 5), st.booleans()),
        max_size=8,
    )
)
async def test_any_pieces_with_parks_anywhere_make_the_same_body(steps: list[tuple[int, bool]]) -> None:
    store, expected = Memory(), b""
    writer = BodyWriter(store)
    for number, (size, is_parked) in enumerate(steps):
        piece = bytes([number + 1]) * size
        expected += piece
        await writer.write(piece)
        assert writer.held <= CHUNK_SIZE
        if is_parked:
            await writer.park()
            assert writer.held == 0
        assert writer.size == len(expected)
    body = await writer.finish()
    assert body.size == len(expected)
    if body.octets is None:
        assert store.octets() == expected
        assert store.files == {body.blob_id: len(expected)}
        assert all(len(store.chunks[number]) == CHUNK_SIZE for number in sorted(store.chunks)[:-1])
    else:
        assert body.octets == expected
        assert (store.chunks, store.files) == ({}, {})
    assert store.parked == {}


async def test_a_body_of_one_chunk_is_handed_back_unwritten() -> None:
    store = Memory()
    writer = BodyWriter(store)
    await writer.write(b"x" * CHUNK_SIZE)
    body = await writer.finish()
    assert (body.size, body.octets) == (CHUNK_SIZE, b"x" * CHUNK_SIZE)
    assert (store.chunks, store.reads) == ({}, 0)


async def test_one_octet_more_than_a_chunk_is_written() -> None:
    store = Memory()
    writer = BodyWriter(store)
    assert not writer.take(b"x" * CHUNK_SIZE)
    assert writer.take(b"y"), "the caller must flush before it takes more"
    await writer.flush()
    assert (writer.held, store.octets()) == (1, b"x" * CHUNK_SIZE)
    body = await writer.finish()
    assert (body.size, body.octets, store.chunks[1]) == (CHUNK_SIZE + 1, None, b"y")


async def test_a_part_that_the_store_lost_is_an_error_and_the_body_never_ends() -> None:
    store = Memory()
    writer = BodyWriter(store)
    await writer.write(b"x" * 10)
    await writer.park()
    store.parked.clear()
    with pytest.raises(Unavailable, match="lost a part of the body"):
        await writer.finish()
    assert store.files == {}


@pytest.mark.parametrize("size", [10, CHUNK_SIZE + 10])
@pytest.mark.parametrize("is_parked", [False, True])
async def test_an_aborted_body_leaves_nothing_and_can_be_aborted_again(size: int, is_parked: bool) -> None:
    store = Memory()
    writer = BodyWriter(store)
    await writer.write(b"x" * size)
    if is_parked:
        await writer.park()
    for _ in range(2):
        await writer.abort()
    assert (store.chunks, store.parked, store.files, writer.held) == ({}, {}, {}, 0)


async def test_aborting_a_body_that_was_never_written_asks_the_store_for_nothing() -> None:
    store = Memory()
    writer = BodyWriter(store)
    await writer.write(b"x")
    await writer.abort()
    assert store.reads == 0
