"""One body on its way in: held while it is small, spilled to the store chunk by chunk when it is not."""

from dataclasses import dataclass
from typing import Protocol

from bson import ObjectId

CHUNK_SIZE = 261_120  # 255 KiB, the GridFS default


class ChunkStore(Protocol):
    """Where a body's chunks go."""

    async def insert_chunks(self, blob_id: ObjectId, first: int, octets: memoryview) -> None:
        """Write consecutive chunks, beginning with chunk number `first`."""

    async def insert_file(self, blob_id: ObjectId, size: int) -> None:
        """Write the row that makes the body whole."""

    async def delete(self, blob_ids: "list[ObjectId]") -> None:
        """Remove bodies."""


@dataclass(frozen=True, slots=True)
class Body:
    """A received body: `octets` holds it while it is small and not written yet, else it is None."""

    blob_id: ObjectId
    size: int
    octets: bytes | None


class BodyWriter:
    """Takes a body piece by piece; holds at most one chunk and the piece that completes it."""

    def __init__(self, blobs: ChunkStore) -> None:
        self._blobs = blobs
        self._blob_id = ObjectId()
        self._pieces: list[bytes] = []
        self._held = 0
        self._chunks = 0

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return self._chunks * CHUNK_SIZE + self._held

    def take(self, data: bytes) -> bool:
        """Hold `data`; say whether `flush` must be awaited before more is taken."""
        self._pieces.append(data)
        self._held += len(data)
        return self._held > CHUNK_SIZE

    async def flush(self) -> None:
        """Write every whole chunk that is held.

        Raises:
            Unavailable: the store is away.

        """
        held = b"".join(self._pieces)
        whole = len(held) // CHUNK_SIZE * CHUNK_SIZE
        if whole:
            await self._blobs.insert_chunks(self._blob_id, self._chunks, memoryview(held)[:whole])
            self._chunks += whole // CHUNK_SIZE
        self._pieces = [held[whole:]]
        self._held = len(held) - whole

    async def write(self, data: bytes) -> None:
        """Take `data`, writing whole chunks."""
        if self.take(data):
            await self.flush()

    async def finish(self) -> Body:
        """End the body. One that fits a chunk is handed back unwritten."""
        if not self._chunks and self._held <= CHUNK_SIZE:
            octets = b"".join(self._pieces)
            return Body(self._blob_id, len(octets), octets)
        await self.flush()
        size = self.size
        if self._held:
            await self._blobs.insert_chunks(self._blob_id, self._chunks, memoryview(self._pieces[0]))
        await self._blobs.insert_file(self._blob_id, size)
        return Body(self._blob_id, size, None)

    async def abort(self) -> None:
        """Forget the body, and remove what was written of it."""
        self._pieces.clear()
        self._held = 0
        if self._chunks:
            await self._blobs.delete([self._blob_id])
            self._chunks = 0
