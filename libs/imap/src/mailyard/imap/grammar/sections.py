"""Sections of a message in FETCH (RFC 3501, sections 6.4.5 and 9: section)."""

import re
from dataclasses import dataclass
from enum import Enum

from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import astring, encode_astring, parenthesised, space

_PART = re.compile(rb"[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*")
_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
_FIELD_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")


class SectionText(Enum):
    """section-text: the header or text of a part."""

    HEADER = b"HEADER"
    FIELDS = b"HEADER.FIELDS"
    FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """section-spec of BODY[...]; Section() is the whole message. `text` None: the content of the part."""

    part: tuple[int, ...] = ()
    text: SectionText | None = None
    fields: tuple[bytes, ...] = ()  # names as the client wrote them

    def encode(self) -> bytes:
        """Encode the section with its brackets, for the response."""
        words = [str(number).encode("ascii") for number in self.part]
        if self.text is not None:
            words.append(self.text.value)
        fields = b" (%b)" % b" ".join(map(encode_astring, self.fields)) if self.fields else b""
        return b"[" + b".".join(words) + fields + b"]"


@dataclass(frozen=True, slots=True)
class Partial:
    """ABNF: "<" start "." count ">": octets of the section, from zero."""

    start: int
    count: int


def section(cursor: Cursor) -> Section:
    """ABNF: section = "[" [section-spec] "]"."""
    cursor.expect(b"[", "a section")
    part = _part(cursor)
    text = None if part and not cursor.skip(b".") else _text(cursor, required=bool(part))
    if text is SectionText.MIME and not part:
        raise CommandSyntaxError("MIME needs a part number before it")
    fields = _fields(cursor) if text in {SectionText.FIELDS, SectionText.FIELDS_NOT} else ()
    cursor.expect(b"]", "the end of the section")
    return Section(part, text, fields)


def _part(cursor: Cursor) -> tuple[int, ...]:
    found = cursor.match(_PART)
    if found is None:
        return ()
    numbers = tuple(int(number) for number in found[0].split(b"."))
    if len(numbers) > cursor.limits.levels:
        raise CommandSyntaxError("The section is too deep")
    return numbers


def _text(cursor: Cursor, *, required: bool) -> SectionText | None:
    found = cursor.match(_TEXT)
    if found is None and required:
        raise CommandSyntaxError("Expected a section such as HEADER, TEXT or MIME")
    return SectionText(found[0].upper()) if found else None


def _fields(cursor: Cursor) -> tuple[bytes, ...]:
    space(cursor)
    fields = parenthesised(cursor, _field_name)
    if not fields:
        raise CommandSyntaxError("Expected the names of header fields")
    return fields


def _field_name(cursor: Cursor) -> bytes:
    name = astring(cursor)
    if not _FIELD_NAME.fullmatch(name):
        raise CommandSyntaxError("Expected the name of a header field")
    return name
