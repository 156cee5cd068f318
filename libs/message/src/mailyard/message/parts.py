"""Part index: the positions of the sections of a message, so that FETCH reads only the octets that it sends.

Encoded: a version octet, then for each part, parents before their children, its depth, its kind, and the
offsets of header, body and end. Offsets count from the first octet of `prefix + body`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

from mailyard.message.structure import Kind, Part

_NARROW, _WIDE = 1, 2
_LAYOUTS = {_NARROW: struct.Struct("<BBIII"), _WIDE: struct.Struct("<BBQQQ")}


class Span(NamedTuple):
    """Octets from `start` up to, not including, `end`, of `prefix + body`."""

    start: int
    end: int


class IndexedPart(NamedTuple):
    """A part as the index knows it."""

    depth: int
    kind: int
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class PartIndex:
    """A decoded part index; the first part is the message itself."""

    parts: tuple[IndexedPart, ...]

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Read what `encode_part_index` wrote."""
        layout = _LAYOUTS[encoded[0]]
        return cls(tuple(IndexedPart(*row) for row in layout.iter_unpack(encoded[1:])))

    def locate(self, section: str) -> Span | None:
        """Find a section of RFC 3501, section 6.4.5: "", "HEADER", "TEXT", "2.1", "2.1.MIME", "2.HEADER", "2.TEXT".

        None: the message has no such section.
        """
        numbers, specifier = _split_section(section)
        if not numbers:
            return _of_message(self.parts[0], specifier)
        position = self._child_of_message(0, numbers[0])
        for number in numbers[1:]:
            position = None if position is None else self._child_of_part(position, number)
        return None if position is None else self._of_part(position, specifier)

    def children(self, position: int) -> list[int]:
        """Positions in `parts` of a part's direct children."""
        parts = self.parts
        depth = parts[position].depth
        found = []
        for index in range(position + 1, len(parts)):
            if parts[index].depth <= depth:
                break
            if parts[index].depth == depth + 1:
                found.append(index)
        return found

    def _child_of_message(self, position: int, number: int) -> int | None:
        """A message that is no multipart has one part: its own body, as number 1."""
        if self.parts[position].kind != Kind.MULTIPART:
            return position if number == 1 else None
        children = self.children(position)
        return children[number - 1] if 0 < number <= len(children) else None

    def _child_of_part(self, position: int, number: int) -> int | None:
        """A message/rfc822 part's parts are those of the message in it; a leaf has none."""
        kind = self.parts[position].kind
        if kind == Kind.LEAF:
            return None
        return self._child_of_message(position + (kind == Kind.MESSAGE), number)

    def _of_part(self, position: int, specifier: str) -> Span | None:
        part = self.parts[position]
        if specifier == "":
            return Span(part.body, part.end)
        if specifier == "MIME":
            return Span(part.start, part.body)
        if part.kind != Kind.MESSAGE:
            return None
        return _of_message(self.parts[position + 1], specifier)


def encode_part_index(message: Part) -> bytes:
    """Encode the index of a message's structure."""
    version = _NARROW if message.end < 1 << 32 else _WIDE
    layout = _LAYOUTS[version]
    rows = (
        layout.pack(depth, part.kind, part.start, part.body, part.end) for depth, part in _walk(message, 0)
    )
    return bytes((version,)) + b"".join(rows)


@lru_cache(maxsize=128)  # recipients of one message whose addresses have one length share the index
def part_index_behind(length: int, encoded: bytes) -> bytes:
    """The index of a message that has `length` octets of header fields before it, from the index of the rest."""
    layout = _LAYOUTS[encoded[0]]
    rows = list(layout.iter_unpack(encoded[1:]))
    version = _NARROW if rows[0][-1] + length < 1 << 32 else _WIDE
    pack = _LAYOUTS[version].pack
    moved = [
        pack(depth, kind, start + length, body + length, end + length)
        for depth, kind, start, body, end in rows
    ]
    depth, kind, start, body, end = rows[0]
    moved[0] = pack(depth, kind, start, body + length, end + length)
    return bytes((version,)) + b"".join(moved)


def _walk(part: Part, depth: int) -> Iterator[tuple[int, Part]]:
    yield depth, part
    for child in part.children:
        yield from _walk(child, depth + 1)


def _of_message(message: IndexedPart, specifier: str) -> Span | None:
    match specifier:
        case "":
            return Span(message.start, message.end)
        case "HEADER":
            return Span(message.start, message.body)
        case "TEXT":
            return Span(message.body, message.end)
        case _:
            return None


def _split_section(section: str) -> tuple[list[int], str]:
    """Part numbers, and what follows them in upper case."""
    numbers: list[int] = []
    pieces = section.upper().split(".") if section else []
    for index, piece in enumerate(pieces):
        if not piece.isascii() or not piece.isdigit():
            return numbers, ".".join(pieces[index:])
        numbers.append(int(piece))
    return numbers, ""
