"""The octets of a stored message: the whole, a range, a section, some header fields (for IMAP, POP3 and JMAP).

The octets of a message are the prefix in its row, followed by the body in the blob store. Offsets count from the first
octet of the prefix. A section has the name that `mailyard.message.parts.PartIndex.locate` knows: "" is the whole message,
"HEADER" its header, "2.1" the content of part 2.1, "2.1.MIME" the MIME header of that part.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

from bson import ObjectId

from mailyard.mailbox.model import Message
from mailyard.message.fields import select_fields
from mailyard.message.headers import HeaderIndex
from mailyard.message.parts import PartIndex, Span
from mailyard.store.blobs import Blobs, BodyMissing

SMALL_BODY = 262_144  # octets: a body up to this size is read whole, together with others
_LARGE_HEADER = 262_144
_SLOW_HEADER = 16_384  # octets: fields of a longer header are selected in a thread
_large_headers = asyncio.Semaphore(2)  # headers of that length that are in memory at the same time

OCTET_FIELDS = frozenset({"prefix", "blob_id", "size", "part_index"})  # columns that a section needs
HEADER_FIELDS = OCTET_FIELDS | {"header_index"}  # columns that `header_fields` needs


@dataclass(frozen=True, slots=True)
class BlobRange:
    """A range of octets of a body in the blob store."""

    blob_id: ObjectId
    start: int
    end: int
    blob_size: int

    @property
    def is_small(self) -> bool:
        """Whether the body is so small that it is read whole."""
        return self.blob_size <= SMALL_BODY

    def of(self, bodies: Mapping[ObjectId, bytes]) -> bytes:
        """Return the range from a body that was read; raises BodyMissing when the body is missing or too short."""
        octets = bodies.get(self.blob_id)
        if octets is None or len(octets) < self.end:
            raise BodyMissing(self.blob_id)
        return octets[self.start : self.end]


Piece: TypeAlias = bytes | BlobRange


def pieces_of(message: Message, start: int, end: int) -> list[Piece]:
    """Return where the octets from `start` up to, not including, `end` are; needs the columns OCTET_FIELDS."""
    head = len(message.prefix)
    pieces: list[Piece] = []
    if start < head:
        pieces.append(message.prefix[start : min(end, head)])
    if end > head and start < end:
        pieces.append(BlobRange(message.blob_id, max(start - head, 0), end - head, message.size - head))
    return pieces


def section_span(message: Message, section: str) -> Span | None:
    """Return the range of a section; None when the message has no such section."""
    return PartIndex.decode(message.part_index).locate(section) if section else Span(0, message.size)


async def read_header(blobs: Blobs, message: Message, section: str = "HEADER") -> bytes | None:
    """Return the octets of a header section; None when the message has no such section.

    Few long headers are in memory at the same time.

    Raises:
        BodyMissing: the body is not in the store.
        Unavailable: the store is unreachable.

    """
    span = section_span(message, section)
    if span is None:
        return None
    pieces = pieces_of(message, span.start, span.end)
    if span.end - span.start <= _LARGE_HEADER:
        return await _read(blobs, pieces)
    async with _large_headers:
        return await _read(blobs, pieces)


async def header_fields(
    blobs: Blobs, message: Message, section: str, names: Collection[bytes], *, negate: bool = False
) -> bytes | None:
    """Return the fields with these names (`negate`: all others) of a header section, with the empty line behind it.

    The header index in the row answers for most messages. For others, and for the headers of parts, the header is read.
    None when the message has no such section. Raises as `read_header`.
    """
    if section == "HEADER":
        found = HeaderIndex.decode(message.header_index).fields(names, negate)
        if found is not None:
            return found
    header = await read_header(blobs, message, section)
    if header is None or len(header) <= _SLOW_HEADER:
        return None if header is None else select_fields(header, names, negate=negate)
    return await asyncio.to_thread(select_fields, header, names, negate=negate)


async def read_blob(blobs: Blobs, blob_id: ObjectId) -> bytes:
    """Return a large body; it is read chunk by chunk into one buffer, so that it is in memory once.

    Raises:
        BodyMissing: the body is not in the store.
        Unavailable: the store is unreachable.

    """
    buffer = BytesIO()
    async for octets in blobs.stream(blob_id):
        buffer.write(octets)
    return buffer.getvalue()


async def stream(blobs: Blobs, piece: BlobRange) -> AsyncIterator[bytes]:
    """Give the octets of a range, chunk by chunk. Raises as `read_blob`; a range that ends early is BodyMissing."""
    left = piece.end - piece.start
    async for octets in blobs.stream(piece.blob_id, piece.start, piece.end):
        yield octets
        left -= len(octets)
    if left:
        raise BodyMissing(piece.blob_id)


async def _read(blobs: Blobs, pieces: Iterable[Piece]) -> bytes:
    read = [
        piece if isinstance(piece, bytes) else await blobs.read_range(piece.blob_id, piece.start, piece.end)
        for piece in pieces
    ]
    return b"".join(read)
