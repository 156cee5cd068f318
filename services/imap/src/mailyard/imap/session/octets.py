"""The octets of messages in FETCH responses: where they are, and how they get to the client without filling memory.

A message's octets are the prefix in its row, then the body in the store. A response is a list of pieces, bytes and
ranges of bodies; small bodies of many messages are read together, large ones are streamed.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

from bson import ObjectId

from mailyard.imap.core.commands.fetch import OctetsItem
from mailyard.imap.core.sections import Partial, Section, SectionText
from mailyard.imap.session.doors import BodyDoor
from mailyard.imap.session.fetchahead import SMALL_BODY
from mailyard.imap.session.session import Session
from mailyard.mailbox.model import Message
from mailyard.message.headers import HeaderIndex, select_fields
from mailyard.message.parts import PartIndex
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.store.blobs import BodyMissing

_LARGE_HEADER = 262_144
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


Piece: TypeAlias = bytes | BodyRange


class ResponseBroken(Exception):
    """Octets were announced and cannot be sent: the connection has lost its place and must be dropped."""


def octets_of(message: Message, start: int, end: int) -> list[Piece]:
    """Octets `start` to `end` of a message as pieces."""
    head = len(message.prefix)
    pieces: list[Piece] = []
    if start < head:
        pieces.append(message.prefix[start : min(end, head)])
    if end > head and start < end:
        pieces.append(BodyRange(message.blob_id, max(start - head, 0), end - head, message.size - head))
    return pieces


async def section_pieces(bodies: BodyDoor, message: Message, item: OctetsItem) -> list[Piece]:
    """One item of a FETCH response: its label, and the octets as a literal, or NIL where there is no such section."""
    if item.section.text in _FIELDS:
        fields = await _fields(bodies, message, item.section)
        return (
            [item.label + b" NIL"]
            if fields is None
            else _literal(item.label, [_part_of(fields, item.partial)])
        )
    span = _span(message, item.section)
    if span is None:
        return [item.label + b" NIL"]
    start, end = _narrowed(span, item.partial)
    return _literal(item.label, octets_of(message, start, end))


def _literal(label: bytes, pieces: list[Piece]) -> list[Piece]:
    size = sum(len(piece) if isinstance(piece, bytes) else piece.end - piece.start for piece in pieces)
    return [label + b' ""'] if not size else [b"%b {%d}\r\n" % (label, size), *pieces]


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
    return None if header is None else select_fields(header, section.fields, negate=negate)


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


async def _read(bodies: BodyDoor, pieces: Iterable[Piece]) -> bytes:
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
            await self._session.drain()
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
        """One response. Nothing of it is written before its first large body has been found."""
        held: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                held.append(piece)
            elif piece.is_small:
                held.append(_cut(small, piece))
            else:
                await self._stream(held, piece)
        self._session.write(b"".join(held))

    async def _stream(self, held: list[bytes], piece: BodyRange) -> None:
        """Write what is held and then the large body, at the client's pace."""
        left = piece.end - piece.start
        try:
            async for octets in self._bodies.stream(piece.blob_id, piece.start, piece.end):
                self._session.write(b"".join((*held, octets)))
                held.clear()
                left -= len(octets)
                await self._session.drain()
        except (BodyMissing, Unavailable) as error:
            if left < piece.end - piece.start:
                raise ResponseBroken(f"{left} octets of body {piece.blob_id} cannot be read") from error
            raise


def _cut(small: Mapping[ObjectId, bytes], piece: BodyRange) -> bytes:
    octets = small.get(piece.blob_id)
    if octets is None or len(octets) < piece.end:
        raise BodyMissing(piece.blob_id)
    return octets[piece.start : piece.end]
