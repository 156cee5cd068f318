"""Reads bodies: small ones that are sent at the same time with one command, large ones as a stream."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Final, cast

from bson import ObjectId

from mailyard.store.blobs import Blobs, BodyMissing
from mailyard.store.body import CHUNK_SIZE
from mailyard.store.group import GroupCommit

_BATCH_BODIES: Final = 100
_BATCH_OCTETS: Final = 4 * 1024 * 1024

Found = tuple[Sequence[ObjectId], Mapping[ObjectId, bytes]]


class BodyReader:
    """Read bodies from the store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._group: GroupCommit[ObjectId, Found, bytes | None] = GroupCommit(
            self._read, _in_order, max_items=_BATCH_BODIES, max_octets=_BATCH_OCTETS
        )

    async def pieces(self, blob_id: ObjectId, size: int) -> AsyncGenerator[bytes, None]:
        """Yield the body piece by piece; memory does not grow with `size`. Raises BodyMissing, Unavailable."""
        if size > CHUNK_SIZE:
            stream = cast("AsyncGenerator[bytes, None]", self._blobs.stream(blob_id))
            async with aclosing(stream):
                async for piece in stream:
                    yield piece
            return
        whole = await self._group.submit(blob_id, size)
        if whole is None:
            raise BodyMissing(blob_id)
        if whole:
            yield whole

    async def _read(self, blob_ids: Sequence[ObjectId]) -> Found:
        return blob_ids, await self._blobs.read_many(set(blob_ids))


async def _in_order(found: Found) -> list[bytes | None]:
    blob_ids, bodies = found
    return [bodies.get(blob_id) for blob_id in blob_ids]
