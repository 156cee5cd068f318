"""BODYSTRUCTURE and BODY (RFC 3501, section 7.4.2) as octets ready for a FETCH answer.

Each takes 64 KiB at most, but for escaped quotes and for the levels of nesting: longer values are cut, and parts
beyond the limit are left out. They can still be fetched by their numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mailyard.message.allowance import Allowance
from mailyard.message.envelope import encode_envelope, envelope_values
from mailyard.message.imapstrings import NIL, nstring, string
from mailyard.message.parameters import ContentType, Parameters, parse_disposition, parse_token
from mailyard.message.structure import Kind, Part

STRUCTURE_OCTETS = 65_536
_VALUE_OCTETS = 2_048
_TOKEN_OCTETS = 128
_ENVELOPE_OCTETS = 16_384  # of a message in the message


class Structures(NamedTuple):
    """The answers to BODY and to BODYSTRUCTURE, which has extension data."""

    body: bytes
    bodystructure: bytes


def encode_structures(part: Part, allowance: Allowance) -> Structures:
    """Write a part's structure in both forms."""
    return _Writer(allowance).part(part)


@dataclass(frozen=True, slots=True)
class _Writer:
    allowance: Allowance

    def part(self, part: Part) -> Structures:
        if part.kind is Kind.MULTIPART:
            return self.multipart(part)
        content = part.content_type
        fields = _mime_fields(part)
        encoding = fields.get(b"content-transfer-encoding")
        basic = b"(%b %b %b %b %b %b %d" % (
            self.token(content.type),
            self.token(content.subtype),
            self.parameters(_with_charset(content)),
            self.value(fields, b"content-id"),
            self.value(fields, b"content-description"),
            self.token(parse_token(encoding) or b"7bit") if encoding else b'"7bit"',
            part.end - part.body,
        )
        self.allowance.left -= 32  # the octets between the values
        extension = b" %b %b)" % (self.value(fields, b"content-md5"), self.extension(fields))
        if part.kind is Kind.MESSAGE:
            message = part.children[0]
            share = self.allowance.share(_ENVELOPE_OCTETS)
            envelope = encode_envelope(envelope_values(message.fields), share)
            self.allowance.settle(share, len(envelope))
            body, bodystructure = (
                b"%b %b %b %d" % (basic, envelope, inner, part.lines) for inner in self.part(message)
            )
            return Structures(body + b")", bodystructure + extension)
        if content.type == b"text":
            basic = b"%b %d" % (basic, part.lines)
        return Structures(basic + b")", basic + extension)

    def multipart(self, part: Part) -> Structures:
        """RFC 3501, section 9: a multipart has one part at least."""
        bodies: list[bytes] = []
        structures: list[bytes] = []
        for child in part.children:
            if bodies and self.allowance.left <= 0:
                self.allowance.exceeded = True
                break
            body, structure = self.part(child)
            bodies.append(body)
            structures.append(structure)
        subtype = self.token(part.content_type.subtype)
        parameters = self.parameters(part.content_type.parameters)
        extension = self.extension(_mime_fields(part))
        return Structures(
            b"(%b %b)" % (b"".join(bodies), subtype),
            b"(%b %b %b %b)" % (b"".join(structures), subtype, parameters, extension),
        )

    def extension(self, fields: Mapping[bytes, bytes]) -> bytes:
        """Disposition, language and location."""
        return b"%b %b %b" % (
            self.disposition(fields.get(b"content-disposition")),
            self.languages(fields.get(b"content-language")),
            self.value(fields, b"content-location"),
        )

    def value(self, fields: Mapping[bytes, bytes], name: bytes) -> bytes:
        value = fields.get(name)
        return NIL if value is None else nstring(self.allowance.cut(value, _VALUE_OCTETS))

    def token(self, token: bytes) -> bytes:
        if len(token) > _TOKEN_OCTETS:
            self.allowance.exceeded = True
        return string(token[:_TOKEN_OCTETS])

    def parameters(self, parameters: Parameters) -> bytes:
        """Write parameters; those beyond the limit are left out, because a cut value would be another value."""
        pieces = []
        for name, value in parameters:
            pair = b"%b %b" % (string(name), string(value))
            if len(pair) > self.allowance.left:
                self.allowance.exceeded = True
                break
            self.allowance.left -= len(pair)
            pieces.append(pair)
        return b"(" + b" ".join(pieces) + b")" if pieces else NIL

    def disposition(self, value: bytes | None) -> bytes:
        disposition = parse_disposition(value) if value else None
        if disposition is None:
            return NIL
        return b"(%b %b)" % (self.token(disposition.kind), self.parameters(disposition.parameters))

    def languages(self, value: bytes | None) -> bytes:
        """RFC 3282: one language tag as a string, several as a list."""
        if value is None:
            return NIL
        value = self.allowance.cut(value, _VALUE_OCTETS)
        tags = [tag for tag in (piece.strip() for piece in (value or b"").split(b",")) if tag]
        if len(tags) > 1:
            return b"(" + b" ".join(map(string, tags)) + b")"
        return string(tags[0]) if tags else NIL


def _mime_fields(part: Part) -> dict[bytes, bytes]:
    """The unfolded values of MIME fields; the first of several with one name counts."""
    found: dict[bytes, bytes] = {}
    for each in part.fields:
        if each.name.startswith(b"content-") and each.name not in found:
            found[each.name] = each.value
    return found


def _with_charset(content: ContentType) -> Parameters:
    """RFC 2045, section 5.2: text without a charset is in US-ASCII."""
    if content.type != b"text" or content.parameter(b"charset") or content.parameter(b"charset*"):
        return content.parameters
    return (*content.parameters, (b"charset", b"us-ascii"))
