"""Bodies in GridFS layout: written once, octet for octet as received, readable by any GridFS driver.

Bodies of at most one chunk are written many at a time, a batch in two commands. A longer body is written chunk by
chunk while it is received.

Layout: GridFS specification, section "Terms" (`files` and `chunks` of a bucket named `mail`).
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Collection as Group
from datetime import datetime

from bson import Binary, ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import BulkWriteError

from mailyard.runtime.batches import UNBOUNDED, batches
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.store.body import CHUNK_SIZE, Body, BodyWriter
from mailyard.store.client import DUPLICATE_KEY, Collection, Row, Store, unavailable_when_away
from mailyard.store.indexes import create_indexes
from mailyard.store.logorder import SOON, insert_rows

_CHUNKS_INDEX = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
_PARKED_INDEX = IndexModel([("at", ASCENDING)], expireAfterSeconds=86_400)
FILES = "mail.files"
CHUNKS = "mail.chunks"
PARKED = "mail.parked"  # incomplete chunks of bodies that are being received, where memory is scarce
_DELETE_OCTETS = 64 * 1024 * 1024  # that one command removes
_UNKNOWN_SIZE = 8 * 1024 * 1024  # supposed of a body that a writer which died left without a file row
_READ_CHUNKS = 4  # chunks that a stream reads at a time: one megabyte
_LONG_AT_ONCE = 4  # reads, and writes, of long bodies that one process asks the store for at a time


class BodyMissing(LookupError):
    """A body that a row names is not, or not wholly, in the store."""

    def __init__(self, blob_id: ObjectId) -> None:
        super().__init__(f"body {blob_id} is not in mail.files and mail.chunks: restore it from a backup")


class Blobs:
    """The bodies of the store."""

    def __init__(self, store: Store) -> None:
        """Keep bodies in `mail.files` and `mail.chunks` of the store's database.

        Reads and writes of long bodies take turns: many of them at once would let all other commands wait.
        """
        self._store = store
        self._long_reads = asyncio.Semaphore(_LONG_AT_ONCE)
        self._long_writes = asyncio.Semaphore(_LONG_AT_ONCE)

    @property
    def _files(self) -> Collection:
        return self._store.collection(FILES)

    @property
    def _chunks(self) -> Collection:
        return self._store.collection(CHUNKS)

    async def ensure_indexes(self) -> None:
        """Create the index that the GridFS specification demands of chunks, and the one that ends what stays parked."""
        await create_indexes(self._store, CHUNKS, [_CHUNKS_INDEX])
        await create_indexes(self._store, PARKED, [_PARKED_INDEX])

    def writer(self) -> BodyWriter:
        """Take one new body."""
        return BodyWriter(self)

    async def put(self, body: Body) -> ObjectId:
        """Make sure that the body is stored; return its id."""
        await self.put_many([body])
        return body.blob_id

    async def put_many(self, bodies: Iterable[Body]) -> None:
        """Store those bodies that are still in memory: two commands, however many they are.

        Raises:
            Unavailable: the store is unreachable; call again.

        """
        chunks, files = _rows_of(bodies)
        await asyncio.gather(_insert_once(self._chunks, chunks), _insert_once(self._files, files))

    async def put_ahead(self, bodies: Iterable[Body]) -> int | None:
        """Store those bodies that are still in memory, without a wait for the disk: two commands.

        They are durable once a later write of the returned term is durable (`mailyard.store.logorder`). None: this is
        not known, and `put_many` must follow; bodies that are stored already stay unchanged.

        Raises:
            Unavailable: the store is unreachable.

        """
        chunks, files = _rows_of(bodies)
        with unavailable_when_away():
            written = await asyncio.gather(
                *(
                    insert_rows(self._store, name, rows, SOON)
                    for name, rows in ((CHUNKS, chunks), (FILES, files))
                    if rows
                )
            )
        terms = {None if each.refused else each.term for each in written}
        return terms.pop() if len(terms) == 1 else None

    async def insert_chunks(self, blob_id: ObjectId, first: int, octets: memoryview) -> None:
        """Write consecutive chunks of a body, beginning with chunk number `first`."""
        rows: list[Row] = [
            {"files_id": blob_id, "n": first + number, "data": Binary(octets[start : start + CHUNK_SIZE])}
            for number, start in enumerate(range(0, len(octets), CHUNK_SIZE))
        ]
        async with self._long_writes:
            await _insert_once(self._chunks, rows)

    async def park(self, blob_id: ObjectId, octets: bytes) -> None:
        """Write the incomplete chunk of a body that is being received; what nobody reads back ends after a day."""
        row = {"_id": blob_id, "data": Binary(octets), "at": now_utc()}
        await _insert_once(self._store.collection(PARKED), [row])

    async def unpark(self, blob_id: ObjectId) -> bytes:
        """Read what was parked of a body and remove it; empty where nothing was."""
        with unavailable_when_away():
            row = await self._store.collection(PARKED).find_one_and_delete({"_id": blob_id})
        return bytes(row["data"]) if row is not None else b""

    async def insert_file(self, blob_id: ObjectId, size: int) -> None:
        """Write the `files` row that makes a body whole."""
        await _insert_once(self._files, [_file_row(blob_id, size, now_utc())])

    async def delete(self, blob_ids: Sequence[ObjectId]) -> None:
        """Remove bodies: the `files` rows first, so that no reader takes half a body for a whole one.

        A command removes a bounded number of octets, however large the bodies are.
        """
        sizes = await self.sizes(blob_ids)
        with unavailable_when_away():
            for ids in batches(
                blob_ids, lambda each: (1, sizes.get(each, _UNKNOWN_SIZE)), UNBOUNDED, _DELETE_OCTETS
            ):
                await self._files.delete_many({"_id": {"$in": ids}})
                await self._chunks.delete_many({"files_id": {"$in": ids}})

    async def ids_after(self, blob_id: ObjectId, before: ObjectId, limit: int) -> list[ObjectId]:
        """Return ids of stored bodies, ascending, beyond one id and below another: whole ones and broken-off ones.

        None is left out: fewer than `limit` ids are all that there are.
        """
        with unavailable_when_away():
            files = self._files.find({"_id": {"$gt": blob_id, "$lt": before}}, {"_id": 1}, batch_size=limit)
            whole = [row["_id"] async for row in files.sort("_id", ASCENDING).limit(limit)]
            # A writer that died left chunks without a file row. One key of each body is read, whatever its length.
            last = {"$lte": whole[-1]} if len(whole) == limit else {"$lt": before}
            stages: list[Row] = [
                {"$match": {"files_id": {"$gt": blob_id, **last}}},
                {"$sort": {"files_id": ASCENDING}},
                {"$group": {"_id": "$files_id"}},
                {"$sort": {"_id": ASCENDING}},
                {"$limit": limit},
            ]
            pieces = [row["_id"] async for row in await self._chunks.aggregate(stages)]
        return sorted({*whole, *pieces})[:limit]

    async def sizes(self, blob_ids: Group[ObjectId]) -> dict[ObjectId, int]:
        """Octets of each body that exists."""
        with unavailable_when_away():
            rows = self._files.find({"_id": {"$in": list(blob_ids)}}, {"length": 1})
            return {row["_id"]: row["length"] async for row in rows}

    async def read(self, blob_id: ObjectId) -> bytes:
        """Read one whole body.

        Raises:
            BodyMissing: the store does not have it.

        """
        found = await self.read_many([blob_id])
        if blob_id not in found:
            raise BodyMissing(blob_id)
        return found[blob_id]

    async def read_many(self, blob_ids: Group[ObjectId]) -> dict[ObjectId, bytes]:
        """Read whole bodies in one command; those that the store does not have are left out."""
        pieces: dict[ObjectId, list[bytes]] = defaultdict(list)
        with unavailable_when_away():
            rows = self._chunks.find({"files_id": {"$in": list(blob_ids)}}, {"_id": 0}, batch_size=1000).sort(
                [("files_id", ASCENDING), ("n", ASCENDING)]
            )
            async for row in rows:
                pieces[row["files_id"]].append(row["data"])
        bodies = {
            blob_id: parts[0] if len(parts) == 1 else b"".join(parts) for blob_id, parts in pieces.items()
        }
        missing = [blob_id for blob_id in blob_ids if blob_id not in bodies]
        if missing:  # an empty body has a files row and no chunk
            bodies.update(
                {blob_id: b"" for blob_id, size in (await self.sizes(missing)).items() if size == 0}
            )
        return bodies

    async def read_range(self, blob_id: ObjectId, start: int, end: int) -> bytes:
        """Octets `start` to `end` (not included) of a body, reading the chunks that hold them only."""
        return b"".join([piece async for piece in self.stream(blob_id, start, end)])

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the octets of a body in order, at most a chunk at a time and few chunks in memory.

        Raises:
            BodyMissing: the store does not have what was asked for.

        """
        length = (await self.sizes([blob_id])).get(blob_id)
        if length is None:
            raise BodyMissing(blob_id)
        stop = length if end is None else min(end, length)
        position = start
        with unavailable_when_away():
            rows = self._chunks.find(
                {"files_id": blob_id, "n": {"$gte": start // CHUNK_SIZE, "$lt": -(-stop // CHUNK_SIZE)}},
                {"_id": 0, "n": 1, "data": 1},
                batch_size=_READ_CHUNKS,
            ).sort("n", ASCENDING)
            while True:
                async with self._long_reads:
                    row = await anext(rows, None)
                if row is None:
                    break
                first = row["n"] * CHUNK_SIZE
                if first > position:
                    break
                piece = row["data"][position - first : stop - first]
                position += len(piece)
                yield piece
        if position < stop:
            raise BodyMissing(blob_id)


async def _insert_once(collection: Collection, rows: list[Row]) -> None:
    """Insert rows whose keys only this process has: one that is there already is there from an earlier try."""
    if not rows:
        return
    with unavailable_when_away():
        try:
            await collection.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                raise Unavailable(
                    f"MongoDB did not confirm a write: {error.details['writeConcernErrors']}"
                ) from error
            if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise


def _rows_of(bodies: Iterable[Body]) -> tuple[list[Row], list[Row]]:
    """Return the chunks and the files of bodies that are still in memory; an empty body has no chunk."""
    held = [(body.blob_id, body.octets) for body in bodies if body.octets is not None]
    now = now_utc()
    chunks = [
        {"_id": blob_id, "files_id": blob_id, "n": 0, "data": octets} for blob_id, octets in held if octets
    ]
    return chunks, [_file_row(blob_id, len(octets), now) for blob_id, octets in held]


def _file_row(blob_id: ObjectId, size: int, now: datetime) -> Row:
    return {"_id": blob_id, "length": size, "chunkSize": CHUNK_SIZE, "uploadDate": now}
