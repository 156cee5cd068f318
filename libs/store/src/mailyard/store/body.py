"""One body on its way in: held while it is small, spilled to the store chunk by chunk when it is not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bson import ObjectId

from mailyard.runtime.errors import Unavailable

if TYPE_CHECKING:  # `blobs` makes the writers
    from mailyard.store.blobs import Blobs

CHUNK_SIZE = 261_120  # 255 KiB, the GridFS default


@dataclass(frozen=True, slots=True)
class Body:
    """A received body: `octets` holds it while it is small and not written yet, else it is None."""

    blob_id: ObjectId
    size: int
    octets: bytes | None


class BodyWriter:
    """Takes a body piece by piece; holds at most one chunk and the piece that completes it.

    Where memory is scarce, `park` writes the incomplete chunk too, apart from the others; it is read back when it can be
    completed. So whoever only receives bodies needs no right to read chunks.
    """

    def __init__(self, blobs: "Blobs") -> None:
        self._blobs = blobs
        self._blob_id = ObjectId()
        self._pieces: list[bytes] = []
        self._held = 0
        self._chunks = 0
        self._parked = 0  # octets of the incomplete chunk that are in the store only
        self._is_spilled = False  # the store has, or had, a part of the body

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return self._chunks * CHUNK_SIZE + self._parked + self._held

    @property
    def held(self) -> int:
        """Octets that are in memory."""
        return self._held

    def take(self, data: bytes) -> bool:
        """Hold `data`; say whether `flush` must be awaited before more is taken."""
        self._pieces.append(data)
        self._held += len(data)
        return self._parked + self._held > CHUNK_SIZE

    async def park(self) -> None:
        """Write everything, the incomplete chunk too, and hold nothing.

        Raises:
            Unavailable: the store is unreachable; the body must be aborted.

        """
        await self.flush()
        if self._held:
            await self._read_back()
            held = b"".join(self._pieces)
            self._is_spilled = True
            await self._blobs.park(self._blob_id, held)
            self._pieces, self._held, self._parked = [], 0, len(held)

    async def _read_back(self) -> None:
        if self._parked:
            parked = await self._blobs.unpark(self._blob_id)
            if len(parked) != self._parked:
                raise Unavailable(f"the store lost a part of the body {self._blob_id} that is being received")
            self._pieces.insert(0, parked)
            self._held, self._parked = self._held + self._parked, 0

    async def flush(self) -> None:
        """Write every whole chunk that is held.

        Raises:
            Unavailable: the store is unreachable.

        """
        if self._parked + self._held < CHUNK_SIZE:
            return
        await self._read_back()
        held = b"".join(self._pieces)
        whole = len(held) // CHUNK_SIZE * CHUNK_SIZE
        self._is_spilled = True
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
        if not self._is_spilled and self._held <= CHUNK_SIZE:
            octets = b"".join(self._pieces)
            return Body(self._blob_id, len(octets), octets)
        await self.flush()
        await self._read_back()
        size = self.size
        if self._held:
            await self._blobs.insert_chunks(self._blob_id, self._chunks, memoryview(b"".join(self._pieces)))
        await self._blobs.insert_file(self._blob_id, size)
        return Body(self._blob_id, size, None)

    async def abort(self) -> None:
        """Forget the body, and remove what was written of it."""
        self._pieces.clear()
        self._held = 0
        if self._is_spilled:
            await self._blobs.unpark(self._blob_id)
            await self._blobs.delete([self._blob_id])
            self._chunks, self._is_spilled, self._parked = 0, False, 0
