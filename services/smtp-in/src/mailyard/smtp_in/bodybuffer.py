"""Buffer the body of one message: small bodies stay in memory, large ones are streamed to the store."""

import contextlib

from bson import ObjectId

from mailyard.runtime.errors import Unavailable
from mailyard.store.blobs import Blobs
from mailyard.store.body import CHUNK_SIZE, Body, BodyWriter

SCARCE_OCTETS = 65_536
"""What one connection holds of a body at most while memory is scarce."""
_SMALL_PIECE = 1024


class BodyBuffer:
    """The body of one message. Call `take`, and `spill` whenever `take` returns True; at the end `held_body` or `finish`."""

    def __init__(self, bodies: Blobs) -> None:
        """Send what does not fit into one chunk to `bodies`."""
        self._bodies = bodies
        self._pieces: list[bytes | bytearray] = []
        self._octets = 0
        self._leaving = 0  # octets that are being written and that the stream has not taken yet
        self._stream: BodyWriter | None = None

    @property
    def held(self) -> int:
        """Octets that are in memory."""
        return self._octets + self._leaving + (self._stream.held if self._stream is not None else 0)

    @property
    def is_spilled(self) -> bool:
        """Whether a part is in the store already."""
        return self._stream is not None

    def take(self, data: bytes, *, is_scarce: bool = False) -> bool:
        """Hold octets; return whether `spill` must be awaited before more are taken. `is_scarce`: memory is scarce."""
        if data and (not self._pieces or len(data) >= _SMALL_PIECE):
            self._pieces.append(data)
        elif data:
            self._append(data)
        self._octets += len(data)
        return self._octets > CHUNK_SIZE or (is_scarce and self.held > SCARCE_OCTETS)

    def _append(self, data: bytes) -> None:
        """Join small pieces: one object for each would take many times their octets."""
        last = self._pieces[-1]
        if not isinstance(last, bytearray):
            last = bytearray()
            self._pieces.append(last)
        last += data

    def held_body(self) -> Body:
        """End a message that fits into memory: the batch that accepts it writes its body too."""
        first = self._pieces[0] if len(self._pieces) == 1 else b""
        octets = first if first and isinstance(first, bytes) else b"".join(self._pieces)
        return Body(ObjectId(), len(octets), octets)

    async def spill(self, *, is_scarce: bool = False) -> None:
        """Write what is held to the store: whole chunks, or everything where memory is scarce; raises Unavailable."""
        if self._stream is None:
            self._stream = self._bodies.writer()
        pieces, self._pieces = self._pieces[::-1], []
        self._leaving, self._octets = self._octets, 0
        while pieces:
            piece = bytes(pieces.pop())
            self._leaving -= len(piece)  # the stream counts it from now on
            await self._stream.write(piece)
        if is_scarce:
            await self._stream.park()

    async def finish(self) -> Body:
        """End a message of which a part is in the store; raises Unavailable."""
        await self.spill()
        assert self._stream is not None
        return await self._stream.finish()

    async def abort(self) -> None:
        """Forget the message. Chunks that cannot be removed now are swept later, because nothing refers to them."""
        self._pieces, self._octets, self._leaving = [], 0, 0
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(Unavailable):
                await stream.abort()
