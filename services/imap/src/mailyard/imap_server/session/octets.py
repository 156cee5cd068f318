"""The octets of messages in FETCH responses: where they are, and how they get to the client without filling memory.

A message's octets are the prefix in its row, then the body in the store. A response is a list of pieces: bytes, ranges of
bodies, and header fields to look up. Small bodies of many messages are read together, large ones are streamed, and no more
than `_MOST_HELD` octets of one response wait to be written.

No literal contains NUL (RFC 3501, section 4.3.1): where old mail has one, the client gets the octet 0x80, as other
servers do.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

from bson import ObjectId

from mailyard.imap.commands.fetch import OctetsItem
from mailyard.imap.grammar.sections import Partial, Section, SectionText
from mailyard.imap_server.session.doors import BodyDoor
from mailyard.imap_server.session.fetchahead import SMALL_BODY
from mailyard.imap_server.session.session import Session
from mailyard.mailbox.model import Message
from mailyard.message.headers import HeaderIndex, select_fields
from mailyard.message.parts import PartIndex
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.store.blobs import BodyMissing

_MOST_HELD = 262_144
_LARGE_HEADER = 262_144
_SLOW_HEADER = 16_384  # looking for fields in a longer header is done in a thread
_large_headers = asyncio.Semaphore(2)  # headers that long are rare and are read one or two at a time

_FIELDS = {SectionText.FIELDS, SectionText.FIELDS_NOT}

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BodyRange:
    """Octets of a stored body."""

    blob_id: ObjectId
    start: int
    end: int
    body_size: int

    @property
    def is_small(self) -> bool:
        """Whether the whole body is small."""
        return self.body_size <= SMALL_BODY


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """An item HEADER.FIELDS or HEADER.FIELDS.NOT, looked up when it is its turn to be written."""

    message: Message
    item: OctetsItem


Piece: TypeAlias = bytes | BodyRange | HeaderFields


class ResponseBroken(Exception):
    """Octets were announced and cannot be sent: the connection has lost its place and must be dropped."""


def octets_of(message: Message, start: int, end: int) -> list[bytes | BodyRange]:
    """Octets `start` to `end` of a message as pieces."""
    head = len(message.prefix)
    pieces: list[bytes | BodyRange] = []
    if start < head:
        pieces.append(message.prefix[start : min(end, head)])
    if end > head and start < end:
        pieces.append(BodyRange(message.blob_id, max(start - head, 0), end - head, message.size - head))
    return pieces


def section_pieces(message: Message, item: OctetsItem) -> list[Piece]:
    """One item of a FETCH response: its label, and the octets as a literal, or NIL where there is no such section."""
    if item.section.text in _FIELDS:
        return [HeaderFields(message, item)]
    span = _span(message, item.section)
    if span is None:
        return [item.label + b" NIL"]
    start, end = _narrowed(span, item.partial)
    return [_literal_head(item.label, end - start), *octets_of(message, start, end)]


def _literal_head(label: bytes, size: int) -> bytes:
    return b"%b {%d}\r\n" % (label, size) if size else label + b' ""'


def _span(message: Message, section: Section) -> tuple[int, int] | None:
    if section == Section():
        return 0, message.size
    return PartIndex.decode(message.part_index).locate(_place(section))


def _place(section: Section) -> str:
    """The section's name for the part index, where fields are a matter of the whole header."""
    words = [str(number) for number in section.part]
    if section.text is not None:
        words.append("HEADER" if section.text in _FIELDS else section.text.value.decode("ascii"))
    return ".".join(words)


def _narrowed(span: tuple[int, int], partial: Partial | None) -> tuple[int, int]:
    start, end = span
    if partial is None:
        return start, end
    start = min(start + partial.start, end)
    return start, min(start + partial.count, end)


def _part_of(octets: bytes, partial: Partial | None) -> bytes:
    return octets if partial is None else octets[partial.start : partial.start + partial.count]


async def _fields(bodies: BodyDoor, message: Message, section: Section) -> bytes | None:
    """Header fields: from the header index, or, where it does not know them, from the header."""
    negate = section.text is SectionText.FIELDS_NOT
    if not section.part:
        found = HeaderIndex.decode(message.header_index).fields(section.fields, negate)
        if found is not None:
            return found
    header = await read_header(bodies, message, section)
    if header is None or len(header) <= _SLOW_HEADER:
        return None if header is None else select_fields(header, section.fields, negate=negate)
    return await asyncio.to_thread(select_fields, header, section.fields, negate=negate)


async def read_header(bodies: BodyDoor, message: Message, section: Section) -> bytes | None:
    """The header that `section` belongs to; None when there is no such part."""
    span = PartIndex.decode(message.part_index).locate(_place(section))
    if span is None:
        return None
    pieces = octets_of(message, span.start, span.end)
    if span.end - span.start <= _LARGE_HEADER:
        return await _read(bodies, pieces)
    async with _large_headers:
        return await _read(bodies, pieces)


async def read_whole(bodies: BodyDoor, blob_id: ObjectId) -> bytes:
    """A large body, taken piece by piece into one buffer so that it is in memory once only."""
    buffer = BytesIO()
    async for octets in bodies.stream(blob_id):
        buffer.write(octets)
    return buffer.getvalue()


async def _read(bodies: BodyDoor, pieces: Iterable[bytes | BodyRange]) -> bytes:
    read = [
        piece if isinstance(piece, bytes) else await bodies.read_range(piece.blob_id, piece.start, piece.end)
        for piece in pieces
    ]
    return b"".join(read)


class ResponseWriter:
    """Writes responses that hold octets of bodies."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bodies = session.doors.bodies

    async def write(self, replies: Sequence[Sequence[Piece]]) -> int:
        """Write whole responses, one after the other; return how many could not be read and were left out."""
        small = await self._read_small(replies)
        lost = 0
        for pieces in replies:
            try:
                await self._write_one(pieces, small)
            except BodyMissing as error:
                _log.error("imap.body_missing", error=str(error))
                lost += 1
        return lost

    async def _read_small(self, replies: Iterable[Iterable[Piece]]) -> Mapping[ObjectId, bytes]:
        wanted = {
            piece.blob_id
            for pieces in replies
            for piece in pieces
            if isinstance(piece, BodyRange) and piece.is_small
        }
        ahead = self._session.fetch_ahead.bodies
        missing = wanted - ahead.keys()
        return {**ahead, **await self._bodies.read_many(missing)} if missing else ahead

    async def _write_one(self, pieces: Sequence[Piece], small: Mapping[ObjectId, bytes]) -> None:
        """One response. Nothing of a short one is written before all its octets are found."""
        output = _Output(self._session)
        try:
            for piece in pieces:
                match piece:
                    case bytes():
                        await output.add(piece)
                    case HeaderFields():
                        await output.add(await self._header_fields(piece))
                    case BodyRange() if piece.is_small:
                        await output.add(_cut(small, piece))
                    case BodyRange():
                        await self._stream(output, piece)
        except (BodyMissing, Unavailable) as error:
            if output.has_begun:
                raise ResponseBroken("octets of a message that was begun cannot be read") from error
            raise
        await output.flush()

    async def _header_fields(self, piece: HeaderFields) -> bytes:
        item = piece.item
        fields = await _fields(self._bodies, piece.message, item.section)
        if fields is None:
            return item.label + b" NIL"
        octets = _part_of(fields, item.partial)
        return _literal_head(item.label, len(octets)) + octets

    async def _stream(self, output: "_Output", piece: BodyRange) -> None:
        """Write a large body at the client's pace."""
        left = piece.end - piece.start
        async for octets in self._bodies.stream(piece.blob_id, piece.start, piece.end):
            await output.add(octets)
            await output.flush()
            left -= len(octets)
        if left:
            raise BodyMissing(piece.blob_id)


class _Output:
    """What is to be written of one response; a little of it waits, so that short responses go out whole or not."""

    def __init__(self, session: Session) -> None:
        self.has_begun = False
        self._session = session
        self._held: list[bytes] = []
        self._octets = 0

    async def add(self, octets: bytes) -> None:
        """Take octets; write when there are many."""
        self._held.append(octets.replace(b"\x00", b"\x80") if b"\x00" in octets else octets)
        self._octets += len(octets)
        if self._octets > _MOST_HELD:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, at the client's pace."""
        if self._held:
            self.has_begun = True
            self._session.write(b"".join(self._held))
            self._held.clear()
            self._octets = 0
            await self._session.drain()


def _cut(small: Mapping[ObjectId, bytes], piece: BodyRange) -> bytes:
    octets = small.get(piece.blob_id)
    if octets is None or len(octets) < piece.end:
        raise BodyMissing(piece.blob_id)
    return octets[piece.start : piece.end]
