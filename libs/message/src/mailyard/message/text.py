"""What a message says, as text: its parts decoded, the names of its attachments, its header fields.

For SEARCH and for filters. Nothing is decoded before it is asked for, and nothing raises.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mailyard.message.charsets import decode_octets
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import first_value, scan_fields
from mailyard.message.parameters import Parameters, decode_extended, parse_disposition, parse_token
from mailyard.message.structure import Kind, Part, divided, scan_structure
from mailyard.message.transferencoding import decode_transfer


@dataclass(frozen=True, slots=True)
class LeafPart:
    """A part that has no parts. `encoded` are its octets as they were sent."""

    section: str  # "1.2", as in BODY[1.2]
    part: Part
    encoded: bytes

    @property
    def media_type(self) -> str:
        """`type/subtype` in lower case."""
        content = self.part.content_type
        return f"{content.type.decode('ascii')}/{content.subtype.decode('ascii')}"

    @property
    def octets(self) -> bytes:
        """The content, out of its transfer encoding."""
        return decode_transfer(self.encoded, parse_token(first_value(self.part.fields, _ENCODING) or b""))

    @property
    def text(self) -> str:
        """The content as text; empty if it is not text."""
        content = self.part.content_type
        if content.type != b"text":
            return ""
        return decode_octets(self.octets, content.decoded(b"charset").decode("ascii", "replace"))

    @property
    def name(self) -> str:
        """The file name that the sender gave (RFC 2183, section 2.3; RFC 2045's older `name`); empty: none."""
        value = first_value(self.part.fields, b"content-disposition")
        disposition = parse_disposition(value) if value else None
        found = _file_name(disposition.parameters, b"filename") if disposition else ""
        return found or _file_name(self.part.content_type.parameters, b"name")

    @property
    def is_attachment(self) -> bool:
        """It has a name, or its disposition says so."""
        value = first_value(self.part.fields, b"content-disposition")
        return bool(self.name) or parse_token(value or b"") == b"attachment"


_ENCODING = b"content-transfer-encoding"


def leaf_parts(prefix: bytes, body: bytes) -> Iterator[LeafPart]:
    """The leaf parts of the message `prefix + body` in order, those of messages in it too.

    `body` may be cut off anywhere; its parts are then as long as what is there.
    """
    prefix, body = divided(prefix, body)
    shift = len(prefix)
    for section, part in _leaves(scan_structure(prefix, body), ""):
        yield LeafPart(section, part, body[part.body - shift : part.end - shift])


def header_text(header: bytes) -> str:
    """A header section as text: unfolded fields, encoded words decoded, one line each."""
    lines = (f"{decode_octets(field.name)}: {decode_words(field.value)}" for field in scan_fields(header))
    return "\n".join(lines)


def _leaves(part: Part, path: str) -> Iterator[tuple[str, Part]]:
    if part.kind is Kind.LEAF:
        yield path or "1", part
    elif part.kind is Kind.MULTIPART:
        for number, child in enumerate(part.children, 1):
            yield from _leaves(child, f"{path}.{number}" if path else str(number))
    else:
        message = part.children[0]
        inside = path or "1"
        yield from _leaves(message, f"{inside}.1" if message.kind is not Kind.MULTIPART else inside)


def _file_name(parameters: Parameters, name: bytes) -> str:
    """RFC 2231's form goes before the plain one, whose encoded words are decoded although they should not be there."""
    values = dict(parameters)
    if extended := values.get(name + b"*"):
        charset, octets = decode_extended(extended)
        return decode_octets(octets, charset).replace("\0", "")
    return decode_words(values.get(name, b"")).replace("\0", "")
