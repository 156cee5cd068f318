"""The MIME structure of a message (RFC 2045, 2046), found in its octets without copying them.

A message is `prefix + body`; the two are never joined. All offsets count from the first octet of the
prefix. Whatever the octets are, there is a structure: parts that cannot be read as what they claim to be
are read as text/plain or application/octet-stream. What was cut or is doubtful is in `Part.defects`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from mailyard.message.charsets import is_utf8
from mailyard.message.defects import NONE, Defect
from mailyard.message.fields import Field, first_value, header_end, lenient_header_end, scan_fields
from mailyard.message.parameters import (
    MESSAGE_RFC822,
    OCTET_STREAM,
    TEXT_PLAIN,
    ContentType,
    parse_content_type,
    parse_token,
)
from mailyard.message.transferencoding import ENCODINGS, is_identity

_CR = 13
_PATIENCE = (
    1000  # lines that look like delimiters and are not, before compiling a regular expression pays off
)
_REST_IS_BLANK = re.compile(rb"[ \t]*+(?:\r?\n|\r?\Z)")
_BLANK_LINE = re.compile(rb"\n[ \t]++\r?\n")
_RFC822 = frozenset((b"rfc822",))
_TNEF = frozenset((b"ms-tnef", b"vnd.ms-tnef"))
_MARKED = {b"partial": Defect.PARTIAL_MESSAGE, b"external-body": Defect.EXTERNAL_BODY}


class Kind(IntEnum):
    """What a part consists of."""

    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2


@dataclass(frozen=True, slots=True)
class StructureLimits:
    """How much of a hostile message is looked at. Beyond a limit, parts are application/octet-stream."""

    depth: int = 50
    parts: int = 1000
    fields: int = 1000  # of one header section
    header_octets: int = 262_144  # of all header sections together
    part_header_octets: int = 65_536  # how far the end of a part's header section is looked for


@dataclass(frozen=True, slots=True)
class Reading:
    """How octets are read about which mail readers disagree. The default is what RFC 2046 and IMAP ask for."""

    messages: frozenset[bytes] = _RFC822  # subtypes of message/* that hold a message
    last_fields: bool = False  # of several Content-Type fields, or parameters of one name, the last counts
    whole_lines: bool = False  # a delimiter line holds the boundary and nothing else
    outer_first: bool = False  # of equal boundaries the outermost is meant, not the innermost
    short_headers: bool = False  # a header section ends at the first line that is no field

    def value(self, fields: Sequence[Field], name: bytes) -> bytes | None:
        """The unfolded value of the field of this (lower-case) name that counts."""
        return first_value(reversed(fields) if self.last_fields else fields, name)


STANDARD = Reading()


@dataclass(frozen=True, slots=True)
class Part:
    """One part, or the message itself: header from `start`, body from `body` to `end`.

    A multipart has its parts as children, a message/rfc822 part has the message in it as its only child.
    `complete` says that `fields` holds all the fields of the header section. `defects` are those of the part and of all
    parts in it.
    """

    start: int
    body: int
    end: int
    kind: Kind
    content_type: ContentType
    fields: Sequence[Field]
    children: Sequence["Part"] = ()
    lines: int = 0  # of the body; counted for text and message parts only
    complete: bool = True
    defects: frozenset[Defect] = NONE


def scan_structure(
    prefix: bytes, body: bytes, limits: StructureLimits | None = None, reading: Reading = STANDARD
) -> Part:
    """Find the structure of the message `prefix + body`."""
    prefix, body = divided(prefix, body)
    return _Scanner(prefix, body, limits or StructureLimits(), reading).message()


def divided(prefix: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The message in two so that the first is complete header fields only; all in the second if it is not so."""
    is_fields = (
        prefix.endswith(b"\n")
        and not prefix.startswith((b"\r\n", b"\n"))
        and b"\n\r\n" not in prefix
        and b"\n\n" not in prefix
    )
    return (prefix, body) if is_fields or not prefix else (b"", prefix + body)


class _Mark(NamedTuple):
    """A delimiter line (or the end of all, on level -1): what it says, and where its surroundings are."""

    part_end: int  # where a part before it ends: the line end before it is its own
    behind: int  # where a part after it begins
    level: int  # which open multipart it belongs to
    closing: bool
    doubtful: bool = False  # more than white space stands behind the boundary


@dataclass(slots=True)
class _Scanner:
    """Reads `data` once from front to back; `open` holds the boundaries of the multiparts around the current position."""

    prefix: bytes
    data: bytes
    limits: StructureLimits
    reading: Reading
    open: list[bytes] = field(default_factory=list)
    longest_first: list[tuple[bytes, int]] = field(default_factory=list)
    needle: bytes = b""
    misses: int = 0
    parts_left: int = field(init=False)
    header_left: int = field(init=False)

    def __post_init__(self) -> None:
        self.parts_left = self.limits.parts - 1
        self.header_left = self.limits.header_octets

    def message(self) -> Part:
        return self.part(0, TEXT_PLAIN, 0, self.prefix)[0]

    def part(self, start: int, default: ContentType, depth: int, prefix: bytes = b"") -> tuple[Part, _Mark]:
        """Read the part that begins at `start`, and the mark that ends it.

        `prefix` opens its header section; only the outermost part has one.
        """
        defects: set[Defect] = set()
        body, mark = self.header(start, defects)
        readable = min(body, start + self.header_left)
        self.header_left -= readable - start
        header = prefix + self.data[start:readable]
        fields = scan_fields(header, self.limits.fields)
        complete = readable == body and len(fields) < self.limits.fields
        if not complete:
            defects.add(Defect.HEADER_TOO_LONG if readable < body else Defect.TOO_MANY_FIELDS)
        names = [each.name for each in fields]
        _doubt(header, names, defects)
        kind, content_type = self.classify(fields, names, default, depth, defects)
        children: list[Part] = []
        if kind is Kind.MESSAGE:
            self.parts_left -= 1
            child, mark = self.part(body, TEXT_PLAIN, depth + 1)
            children.append(child)
        elif kind is Kind.MULTIPART and mark is None:
            children, mark = self.split(body, content_type, depth + 1, defects)
        if kind is Kind.MULTIPART and not children:
            kind, content_type = Kind.LEAF, TEXT_PLAIN
            defects.add(Defect.DELIMITER_MISSING)
        for child in children:
            if child.defects:
                defects |= child.defects
        mark = mark or self.next_mark(body)
        shift = len(self.prefix)
        end = max(body, mark.part_end, children[-1].end - shift if children else 0)
        counted = kind is Kind.MESSAGE or content_type.type == b"text"
        lines = self.data.count(b"\n", body, end) if counted else 0
        first = start + shift - len(prefix)
        found = frozenset(defects) if defects else NONE
        return Part(
            first, body + shift, end + shift, kind, content_type, fields, children, lines, complete, found
        ), mark

    def header(self, start: int, defects: set[Defect]) -> tuple[int, _Mark | None]:
        """Where the body begins, and the mark that cuts the header section short, if one does."""
        end_of = lenient_header_end if self.reading.short_headers else header_end
        if not self.open:
            return end_of(self.data, start, len(self.data)), None
        window = min(len(self.data), start + self.limits.part_header_octets)
        body = end_of(self.data, start, window)
        mark = self.find_mark(start, body)
        if mark is None and body < window:
            return body, None
        if mark is None and window < len(self.data):
            defects.add(Defect.PART_HEADER_TOO_LONG)
        mark = mark or self.next_mark(start)
        return max(start, min(mark.part_end, len(self.data))), mark

    def classify(
        self, fields: list[Field], names: list[bytes], default: ContentType, depth: int, defects: set[Defect]
    ) -> tuple[Kind, ContentType]:
        content_type = default
        if b"content-type" in names:
            value = self.reading.value(fields, b"content-type")
            given = parse_content_type(value or b"", last=self.reading.last_fields)
            content_type = given or TEXT_PLAIN
            if given is None:
                defects.add(Defect.CONTENT_TYPE_INVALID)
            elif given.repeats:
                defects.add(Defect.DUPLICATE_PARAMETER)
        encoding = b""
        if b"content-transfer-encoding" in names:
            encoding = parse_token(self.reading.value(fields, b"content-transfer-encoding") or b"")
            if encoding not in ENCODINGS:
                defects.add(Defect.ENCODING_UNKNOWN)
        if content_type.type == b"multipart":
            kind = Kind.MULTIPART
        elif content_type.type == b"message":
            kind = Kind.MESSAGE if content_type.subtype in self.reading.messages else Kind.LEAF
            if content_type.subtype in _MARKED:
                defects.add(_MARKED[content_type.subtype])
        else:
            if content_type.subtype in _TNEF:
                defects.add(Defect.TNEF)
            return Kind.LEAF, content_type
        if not is_identity(encoding) and not (kind is Kind.LEAF and content_type.subtype != b"partial"):
            defects.add(Defect.ENCODED_MESSAGE)
        if kind is not Kind.LEAF and (depth >= self.limits.depth or self.parts_left <= 0):
            defects.add(Defect.TOO_DEEP if depth >= self.limits.depth else Defect.TOO_MANY_PARTS)
            return Kind.LEAF, OCTET_STREAM
        return kind, content_type

    def split(
        self, body: int, content_type: ContentType, depth: int, defects: set[Defect]
    ) -> tuple[list[Part], _Mark | None]:
        """The parts of a multipart body (RFC 2046, section 5.1.1), and the mark that ends it."""
        boundary = content_type.decoded(b"boundary").rstrip()
        if not boundary:
            defects.add(Defect.BOUNDARY_MISSING)
            return [], None
        if boundary in self.open:
            defects.add(Defect.BOUNDARY_REPEATED)
        default = MESSAGE_RFC822 if content_type.subtype == b"digest" else TEXT_PLAIN
        children: list[Part] = []
        level = len(self.open)
        self.reopen([*self.open, boundary])
        mark = self.next_mark(body)
        while mark.level == level and not mark.closing:
            self.parts_left -= 1
            if self.parts_left <= 0:
                defects.add(Defect.TOO_MANY_PARTS)
                self.reopen([])  # the last part that is allowed takes all that is left of the message
            if mark.doubtful:
                defects.add(Defect.DELIMITER_AMBIGUOUS)
            child, mark = self.part(mark.behind, default, depth)
            children.append(child)
        self.reopen(self.open[:level])
        if mark.level != level:
            defects.add(Defect.NOT_CLOSED)
            return children, mark
        if mark.doubtful:
            defects.add(Defect.DELIMITER_AMBIGUOUS)
        return children, self.next_mark(mark.behind)

    def reopen(self, boundaries: list[bytes]) -> None:
        self.open = boundaries
        innermost = 1 if self.reading.outer_first else -1
        levels = sorted(
            range(len(boundaries)), key=lambda level: (-len(boundaries[level]), level * innermost)
        )
        self.longest_first = [(boundaries[level], level) for level in levels]
        self.needle = b"\n--" + _common_start(boundaries)

    def next_mark(self, start: int) -> _Mark:
        """The next delimiter line from `start` on, or the end of all."""
        end = len(self.data)
        return (self.find_mark(start, end) if self.open else None) or _Mark(end, end, -1, closing=True)

    def find_mark(self, start: int, end: int) -> _Mark | None:
        """The first delimiter line of an open multipart in data[start:end].

        RFC 2046, section 5.1.1: it is enough that the line begins with the boundary. Where several do,
        the longest is meant, and of equal ones the innermost. `Reading` may ask for another rule.
        """
        at = self.find_candidate(max(start - 1, 0), end)
        while at >= 0:
            for boundary, level in self.longest_first:
                if self.data.startswith(boundary, at + 3, end):
                    mark = self.mark(at, at + 3 + len(boundary), level)
                    if not (mark.doubtful and self.reading.whole_lines):
                        return mark
            self.misses += 1
            at = self.find_candidate(at + 1, end)
        return None

    def find_candidate(self, start: int, end: int) -> int:
        """The LF before the next line that may be a delimiter line, or -1."""
        if self.misses < _PATIENCE:
            return self.data.find(self.needle, start, end)
        choice = b"|".join(re.escape(boundary) for boundary, _ in self.longest_first)
        match = re.compile(b"\n--(?:%b)" % choice).search(self.data, start, end)
        return match.start() if match else -1

    def mark(self, at: int, behind: int, level: int) -> _Mark:
        line_end = self.data.find(b"\n", behind)
        dashes = self.data.startswith(b"--", behind)
        doubtful = not _REST_IS_BLANK.match(self.data, behind + 2 * dashes)
        part_end = at - (at > 0 and self.data[at - 1] == _CR)
        after = line_end + 1 if line_end >= 0 else len(self.data)
        return _Mark(part_end, after, level, dashes or line_end < 0, doubtful)


def _doubt(header: bytes, names: list[bytes], defects: set[Defect]) -> None:
    """Add what is doubtful in a header section."""
    if names.count(b"content-type") > 1 or names.count(b"content-transfer-encoding") > 1:
        defects.add(Defect.DUPLICATE_CONTENT_TYPE)
    if b"" in names or b" " in b"".join(names) or _BLANK_LINE.search(header):
        defects.add(Defect.HEADER_DOUBTFUL)
    if b"\0" in header:
        defects.add(Defect.NUL_IN_HEADER)
    if header.count(b"\r") != header.count(b"\r\n"):
        defects.add(Defect.BARE_CR_IN_HEADER)
    if not header.isascii() and not is_utf8(header):
        defects.add(Defect.EIGHT_BIT_HEADER)


def _common_start(texts: list[bytes]) -> bytes:
    first, last = min(texts, default=b""), max(texts, default=b"")
    same = next((index for index, octet in enumerate(first) if octet != last[index]), len(first))
    return first[:same]
