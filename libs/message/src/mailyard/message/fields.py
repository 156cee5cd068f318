"""Header sections as octets (RFC 5322, section 2.2): finding their end, their fields, their values.

Line ends may be CRLF or bare LF. Nothing here raises on any octets: a line without a colon is a field
without a name.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

_FIELD = re.compile(rb"([^\n:]*)(:?)[^\n]*(?:\n[ \t][^\n]*)*\n?")
_FIELD_LINES = re.compile(
    rb"(?:[!-9;-~\x80-\xff]++[ \t]*+:[^\n]*+(?:\n[ \t]++[^ \t\r\n][^\n]*+)*+(?:\n|\Z))*+"
)
_EMPTY_LINE = re.compile(rb"[ \t]*+\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


class Field(NamedTuple):
    """One header field: its name in lower case (empty: none), all its octets, where its value begins."""

    name: bytes
    raw: bytes
    value_at: int

    @property
    def value(self) -> bytes:
        """The value, unfolded (RFC 5322, section 2.2.3) and stripped."""
        return unfold(self.raw[self.value_at :])


def header_end(data: bytes, start: int, end: int) -> int:
    """Where the body begins: behind the first empty line of data[start:end], or `end` if there is none."""
    if data.startswith((b"\r\n", b"\n"), start, end):
        return start + (2 if data[start] == 13 else 1)
    crlf = data.find(b"\n\r\n", start, end)
    bare = data.find(b"\n\n", start, end if crlf < 0 else crlf + 1)
    if bare >= 0:
        return bare + 2
    return end if crlf < 0 else crlf + 3


def lenient_header_end(data: bytes, start: int, end: int) -> int:
    """Where the body begins for readers that end a header section at the first line that is no field."""
    match = _FIELD_LINES.match(data, start, end)
    assert match is not None
    empty = _EMPTY_LINE.match(data, match.end(), end)
    return empty.end() if empty else match.end()


def scan_fields(header: bytes, limit: int = 2000) -> list[Field]:
    """Split a header section (its closing empty line may be there or not) into at most `limit` fields."""
    return list(islice(_each_field(header), limit))


def _each_field(header: bytes) -> Iterator[Field]:
    for match in _FIELD.finditer(header, 0, _without_empty_line(header)):
        raw, name, colon = match.group(0, 1, 2)
        if not raw:
            return
        value_at = len(name) + 1
        name = name.rstrip(b" \t").lower() if colon else b""
        if not name or name[0] in b" \t":  # a continuation line with nothing to continue
            name, value_at = b"", 0
        yield Field(name, raw, value_at)


def unfold(value: bytes) -> bytes:
    """Make every line end of folding, with the white space that follows it, one space."""
    value = value.strip(b" \t\r\n")
    return _FOLD.sub(b" ", value) if b"\n" in value else value


def unescaped(text: bytes) -> bytes:
    """Make every quoted pair (RFC 5322, section 3.2.1) the octet that it stands for."""
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def first_value(fields: Iterable[Field], name: bytes) -> bytes | None:
    """The unfolded value of the first field of this (lower-case) name."""
    for field in fields:
        if field.name == name:
            return field.value
    return None


def select_fields(header: bytes, names: Collection[bytes], *, negate: bool = False) -> bytes:
    """BODY[HEADER.FIELDS (names)], or .NOT with `negate` (RFC 3501, section 6.4.5), of a header section.

    The empty line at its end is part of the answer if the section has one. Memory does not grow with the number of
    fields.
    """
    wanted = {name.lower() for name in names}
    chosen = bytearray()
    for field in _each_field(header):
        if (field.name in wanted) != negate:
            chosen += field.raw
    chosen += header[_without_empty_line(header) :]
    return bytes(chosen)


def _without_empty_line(header: bytes) -> int:
    """The length of a header section without the empty line that closes it."""
    if header.endswith(b"\n\r\n") or header == b"\r\n":
        return len(header) - 2
    if header.endswith(b"\n\n") or header == b"\n":
        return len(header) - 1
    return len(header)
