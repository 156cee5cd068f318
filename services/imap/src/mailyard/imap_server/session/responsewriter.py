"""FETCH responses that hold octets of messages: how they get to the client without filling memory.

A response is a list of parts: bytes, ranges of bodies, and header fields to look up. Small bodies of many messages are read
together, large ones are streamed, and at most `_MOST_HELD` octets of one response wait to be written.

No literal contains NUL (RFC 3501, section 4.3.1): where old mail has one, the client gets the octet 0x80, as other
servers do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bson import ObjectId

from mailyard.imap.commands.fetch import OctetsItem
from mailyard.imap.grammar.sections import Partial, Section, SectionText
from mailyard.imap_server.session.session import ImapSession
from mailyard.mailbox.model import Message
from mailyard.mailbox.octets import BlobRange, header_fields, pieces_of, section_span, stream
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.store.blobs import BodyMissing

_MOST_HELD = 262_144  # octets
_FIELDS = {SectionText.FIELDS, SectionText.FIELDS_NOT}

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """An item HEADER.FIELDS or HEADER.FIELDS.NOT; the fields are looked up when the item is written."""

    message: Message
    item: OctetsItem


ResponsePart: TypeAlias = bytes | BlobRange | HeaderFields


class ResponseBroken(Exception):
    """Octets were announced and cannot be sent: the client cannot follow any more, and the connection must be closed."""


def section_parts(message: Message, item: OctetsItem) -> list[ResponsePart]:
    """Return one item of a FETCH response: the label, and the octets as a literal; NIL for a section that is not there."""
    if item.section.text in _FIELDS:
        return [HeaderFields(message, item)]
    span = section_span(message, section_name(item.section))
    if span is None:
        return [item.label + b" NIL"]
    start, end = _narrowed(span, item.partial)
    return [_literal_head(item.label, end - start), *pieces_of(message, start, end)]


def section_name(section: Section) -> str:
    """Return the name of a section in the part index; HEADER.FIELDS is a selection from HEADER."""
    words = [str(number) for number in section.part]
    if section.text is not None:
        words.append("HEADER" if section.text in _FIELDS else section.text.value.decode("ascii"))
    return ".".join(words)


def _literal_head(label: bytes, size: int) -> bytes:
    return b"%b {%d}\r\n" % (label, size) if size else label + b' ""'


def _narrowed(span: tuple[int, int], partial: Partial | None) -> tuple[int, int]:
    start, end = span
    if partial is None:
        return start, end
    start = min(start + partial.start, end)
    return start, min(start + partial.count, end)


class ResponseWriter:
    """Writes FETCH responses that hold octets of messages."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._blobs = session.backend.blobs

    async def write(self, responses: Sequence[Sequence[ResponsePart]]) -> int:
        """Write whole responses, one after the other; return how many were left out because their body is missing."""
        small = await self._read_small(responses)
        lost = 0
        for parts in responses:
            try:
                await self._write_one(parts, small)
            except BodyMissing as error:
                _log.error("imap.body_missing", error=str(error))
                lost += 1
        return lost

    async def _read_small(self, responses: Iterable[Iterable[ResponsePart]]) -> Mapping[ObjectId, bytes]:
        wanted = {
            part.blob_id
            for parts in responses
            for part in parts
            if isinstance(part, BlobRange) and part.is_small
        }
        ahead = self._session.fetch_ahead.bodies
        missing = wanted - ahead.keys()
        return {**ahead, **await self._blobs.read_many(missing)} if missing else ahead

    async def _write_one(self, parts: Sequence[ResponsePart], small: Mapping[ObjectId, bytes]) -> None:
        """Write one response. Nothing of a short response is written before all of its octets are read."""
        output = _Output(self._session)
        try:
            for part in parts:
                match part:
                    case bytes():
                        await output.add(part)
                    case HeaderFields():
                        await output.add(await self._header_fields(part))
                    case BlobRange() if part.is_small:
                        await output.add(part.of(small))
                    case BlobRange():
                        await self._stream(output, part)
        except (BodyMissing, Unavailable) as error:
            if output.has_begun:
                raise ResponseBroken("octets of a message that was begun cannot be read") from error
            raise
        await output.flush()

    async def _header_fields(self, part: HeaderFields) -> bytes:
        item = part.item
        section = item.section
        fields = await header_fields(
            self._blobs,
            part.message,
            section_name(section),
            section.fields,
            negate=section.text is SectionText.FIELDS_NOT,
        )
        if fields is None:
            return item.label + b" NIL"
        start, end = _narrowed((0, len(fields)), item.partial)
        return _literal_head(item.label, end - start) + fields[start:end]

    async def _stream(self, output: "_Output", part: BlobRange) -> None:
        """Write a large body at the client's pace."""
        async for octets in stream(self._blobs, part):
            await output.add(octets)
            await output.flush()


class _Output:
    """Octets of one response that wait to be written together."""

    def __init__(self, session: ImapSession) -> None:
        self.has_begun = False  # whether octets of the response were written
        self._session = session
        self._held: list[bytes] = []
        self._octets = 0

    async def add(self, octets: bytes) -> None:
        """Add octets; write when there are more than `_MOST_HELD`."""
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
