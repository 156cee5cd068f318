"""Reads as much of the bodies as the checks need: small ones whole in one command, large ones from the front."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import NamedTuple

from bson import ObjectId

from mailyard.filter.mail import Need
from mailyard.message.fields import header_end
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter
from mailyard.store.blobs import Blobs, BodyMissing
from mailyard.store.client import Store

_HEADER_OCTETS = 65_536


class Wish(NamedTuple):
    """A request for a body, with how much of it is wanted."""

    blob_id: ObjectId
    size: int
    need: Need


class ContentReader:
    """The bodies of the store, cut to `limit` octets."""

    def __init__(self, store: Store, limit: int) -> None:
        self._blobs = Blobs(store)
        self._limits = {
            Need.ENVELOPE: 0,
            Need.HEADER: min(_HEADER_OCTETS, limit),
            Need.CONTENT: limit,
            Need.WHOLE: limit,  # the rest is streamed to those who ask for it
        }
        self._octets = counter("mailyard_filter_read_bytes_total")

    def octets(self, size: int, need: Need) -> int:
        """Return how many octets of a body will be read."""
        return min(size, self._limits[need])

    async def read(self, wishes: Collection[Wish]) -> Mapping[ObjectId, bytes]:
        """Return the wanted octets of each body; bodies that are missing are left out.

        Raises:
            Unavailable: the store is unreachable.

        """
        small = [wish for wish in wishes if wish.size <= self._limits[wish.need]]
        found = await self._blobs.read_many({wish.blob_id for wish in small}) if small else {}
        for wish in wishes:
            if wish.size > self._limits[wish.need] and wish.blob_id not in found:
                start = await self._start(wish, self._limits[wish.need])
                if start is not None and wish.need is Need.HEADER and not _ends_header(start):
                    start = await self._start(wish, self._limits[Need.CONTENT])
                if start is not None:
                    found[wish.blob_id] = start
        self._octets.inc(sum(map(len, found.values())))
        return found

    async def stream(self, blob_id: ObjectId) -> AsyncIterator[bytes]:
        """Give all octets of a body, a chunk at a time.

        Raises:
            Unavailable: the store is unreachable, or does not have the body.

        """
        try:
            async for piece in self._blobs.stream(blob_id):
                self._octets.inc(len(piece))
                yield piece
        except BodyMissing as error:
            raise Unavailable(str(error)) from error

    async def _start(self, wish: Wish, octets: int) -> bytes | None:
        try:
            return await self._blobs.read_range(wish.blob_id, 0, octets)
        except BodyMissing:
            return None


def _ends_header(start: bytes) -> bool:
    return header_end(start, 0, len(start)) < len(start)
