"""The parts of a message as mail readers see them, those of messages in it too, whatever encoding they are in.

The structure of IMAP follows RFC 2046 strictly; mail readers are lenient, and differ. `look_inside`
reads a message once, as leniently as they do, for SEARCH. `look_inside_every_way` also follows each other reading of
doubtful parts, for filters, so that no rule can be evaded by a part that only some readers show. Both are bounded, and say
what they left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from mailyard.message.defects import Defect
from mailyard.message.leaf import LeafPart
from mailyard.message.parameters import parse_token
from mailyard.message.structure import Kind, Part, Reading, StructureLimits, divided, scan_structure
from mailyard.message.transferencoding import is_identity

KIND = Reading(messages=frozenset((b"rfc822", b"global", b"news", b"partial", b"external-body")))
FILTER_LIMITS = StructureLimits(
    depth=100, parts=4000, fields=8000, header_octets=1 << 20, part_header_octets=1 << 18
)
_MOST_LEAVES = 20_000
_MOST_DECODINGS = 5  # of messages in messages
_DECODED_TIMES = 3  # so much of the body, and some more, is decoded or read in other ways
_DECODED_OCTETS = 1 << 20
_OTHER_WAYS: Mapping[Defect, Callable[[Reading], Reading]] = {
    Defect.DELIMITER_AMBIGUOUS: lambda reading: replace(reading, whole_lines=True),
    Defect.DUPLICATE_CONTENT_TYPE: lambda reading: replace(reading, last_fields=True),
    Defect.DUPLICATE_PARAMETER: lambda reading: replace(reading, last_fields=True),
    Defect.BOUNDARY_REPEATED: lambda reading: replace(reading, outer_first=True),
    Defect.HEADER_DOUBTFUL: lambda reading: replace(reading, short_headers=True),
}


@dataclass(frozen=True, slots=True)
class InspectedMessage:
    """The leaf parts of a message, and what was cut or doubtful on the way to them."""

    leaves: tuple[LeafPart, ...]
    defects: frozenset[Defect]


def look_inside(
    prefix: bytes, body: bytes, limits: StructureLimits | None = None, reading: Reading = KIND
) -> InspectedMessage:
    """Read the message `prefix + body` in one way."""
    walk = _Walk(
        limits or StructureLimits(), reading, octets_left=len(body) * _DECODED_TIMES + _DECODED_OCTETS
    )
    leaves = tuple(walk.message(prefix, body, "", 0))
    return InspectedMessage(leaves, frozenset(walk.defects))


def look_inside_every_way(prefix: bytes, body: bytes) -> InspectedMessage:
    """Read the message `prefix + body` in each way that its doubtful parts allow: 16 at most; equal parts once."""
    first = look_inside(prefix, body, FILTER_LIMITS)
    if not _OTHER_WAYS.keys() & first.defects:
        return first
    waiting, seen = [KIND], {KIND}
    leaves: dict[tuple[object, ...], LeafPart] = {}
    defects: set[Defect] = set()
    octets_left = len(body) * _DECODED_TIMES + _DECODED_OCTETS
    while waiting:
        reading = waiting.pop()
        contents = look_inside(prefix, body, FILTER_LIMITS, reading)
        defects |= contents.defects
        for leaf in contents.leaves:
            if leaves.setdefault(_identity(leaf), leaf) is leaf:
                octets_left -= len(leaf.encoded)
        if octets_left < 0:
            defects.add(Defect.CONTENT_CUT)
            break
        for defect in _OTHER_WAYS.keys() & contents.defects:
            other = _OTHER_WAYS[defect](reading)
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return InspectedMessage(tuple(leaves.values()), frozenset(defects))


def _identity(leaf: LeafPart) -> tuple[object, ...]:
    """What makes a leaf say the same as another: its octets, and how its header says to read them."""
    header = tuple(each.raw for each in leaf.part.fields if each.name.startswith(b"content-"))
    return (leaf.encoded, leaf.part.content_type, header, leaf.reading.last_fields)


@dataclass(slots=True)
class _Walk:
    limits: StructureLimits
    reading: Reading
    octets_left: int  # octets that may still be decoded
    defects: set[Defect] = field(default_factory=set)
    leaves: int = 0

    def message(self, prefix: bytes, body: bytes, path: str, decodings: int) -> Iterator[LeafPart]:
        prefix, body = divided(prefix, body)
        part = scan_structure(prefix, body, self.limits, self.reading)
        self.defects |= part.defects
        return self.part(part, path, body, len(prefix), decodings)

    def part(self, part: Part, path: str, body: bytes, shift: int, decodings: int) -> Iterator[LeafPart]:
        if self.leaves >= _MOST_LEAVES:
            self.defects.add(Defect.TOO_MANY_PARTS)
            return
        encoding = self.reading.value(part.fields, b"content-transfer-encoding")
        if part.kind is Kind.LEAF or not is_identity(parse_token(encoding or b"")):
            leaf = LeafPart(path or "1", part, body[part.body - shift : part.end - shift], self.reading)
            yield from self.decoded(leaf, path, decodings)
            if part.kind is Kind.LEAF:
                self.leaves += 1
                yield leaf
        if part.kind is Kind.MULTIPART:
            for number, child in enumerate(part.children, 1):
                inside = f"{path}.{number}" if path else str(number)
                yield from self.part(child, inside, body, shift, decodings)
        elif part.kind is Kind.MESSAGE:
            message = part.children[0]
            inside = path or "1"
            if message.kind is not Kind.MULTIPART:
                inside = f"{inside}.1"
            yield from self.part(message, inside, body, shift, decodings)

    def decoded(self, leaf: LeafPart, path: str, decodings: int) -> Iterator[LeafPart]:
        """RFC 2046, section 5.2.1, forbids encodings of messages and multiparts; readers undo them all the same."""
        declared = None if is_identity(leaf.encoding) else leaf.declared
        if declared is None:
            return
        is_message = declared.type == b"message" and declared.subtype in self.reading.messages
        if not is_message and declared.type != b"multipart":
            return
        self.defects.add(Defect.ENCODED_MESSAGE)
        self.octets_left -= len(leaf.encoded)
        if decodings >= _MOST_DECODINGS or self.octets_left < 0:
            self.defects.add(Defect.TOO_DEEP)
        elif is_message:
            yield from self.message(b"", leaf.octets, path, decodings + 1)
        else:
            header = b"".join(each.raw for each in leaf.part.fields if each.name == b"content-type")
            yield from self.message(header, b"\r\n" + leaf.octets, path, decodings + 1)
