"""BODYSTRUCTURE and BODY (RFC 3501, section 7.4.2) as octets ready for a FETCH answer.

Each takes 64 KiB at most, but for escaped quotes and for the levels of nesting: longer values are cut, and parts
that find no room are left out. They can still be fetched by their numbers.
"""

from dataclasses import dataclass

from mailyard.message.allowance import Allowance
from mailyard.message.envelope import encode_envelope, envelope_values
from mailyard.message.fields import first_value
from mailyard.message.imapstrings import NIL, nstring, string
from mailyard.message.parameters import ContentType, Parameters, parse_disposition, parse_token
from mailyard.message.structure import Kind, Part

STRUCTURE_OCTETS = 65_536
_VALUE_OCTETS = 2_048
_TOKEN_OCTETS = 128
_ENVELOPE_OCTETS = 16_384  # of a message in the message


def encode_bodystructure(part: Part, *, extended: bool, allowance: Allowance | None = None) -> bytes:
    """Write a part's structure; `extended`: with extension data (BODYSTRUCTURE), else without (BODY)."""
    return _Writer(extended, allowance or Allowance(STRUCTURE_OCTETS)).part(part)


@dataclass(frozen=True, slots=True)
class _Writer:
    extended: bool
    room: Allowance

    def part(self, part: Part) -> bytes:
        if part.kind is Kind.MULTIPART:
            return self.multipart(part)
        content = part.content_type
        pieces = [
            self.token(content.type),
            self.token(content.subtype),
            self.parameters(_with_charset(content)),
            self.value(part, b"content-id"),
            self.value(part, b"content-description"),
            self.token(parse_token(first_value(part.fields, b"content-transfer-encoding") or b"") or b"7bit"),
            b"%d" % (part.end - part.body),
        ]
        self.room.left -= 32  # the octets between the values
        if part.kind is Kind.MESSAGE:
            message = part.children[0]
            share = self.room.share(_ENVELOPE_OCTETS)
            envelope = encode_envelope(envelope_values(message.fields), share)
            self.room.settle(share, len(envelope))
            pieces += [envelope, self.part(message)]
        if part.kind is Kind.MESSAGE or content.type == b"text":
            pieces.append(b"%d" % part.lines)
        if self.extended:
            pieces.append(self.value(part, b"content-md5"))
            pieces += self.extension(part)
        return b"(" + b" ".join(pieces) + b")"

    def multipart(self, part: Part) -> bytes:
        """RFC 3501, section 9: a multipart has one part at least."""
        children = [self.part(part.children[0])]
        for child in part.children[1:]:
            if self.room.left <= 0:
                self.room.exceeded = True
                break
            children.append(self.part(child))
        pieces = [b"".join(children), self.token(part.content_type.subtype)]
        if self.extended:
            pieces.append(self.parameters(part.content_type.parameters))
            pieces += self.extension(part)
        return b"(" + b" ".join(pieces) + b")"

    def extension(self, part: Part) -> list[bytes]:
        """Disposition, language and location."""
        return [
            self.disposition(first_value(part.fields, b"content-disposition")),
            self.languages(first_value(part.fields, b"content-language")),
            self.value(part, b"content-location"),
        ]

    def value(self, part: Part, name: bytes) -> bytes:
        return nstring(self.room.cut(first_value(part.fields, name), _VALUE_OCTETS))

    def token(self, token: bytes) -> bytes:
        if len(token) > _TOKEN_OCTETS:
            self.room.exceeded = True
        return string(token[:_TOKEN_OCTETS])

    def parameters(self, parameters: Parameters) -> bytes:
        """Parameters that find no room are left out: half a value would be another value."""
        pieces = []
        for name, value in parameters:
            pair = b"%b %b" % (string(name), string(value))
            if len(pair) > self.room.left:
                self.room.exceeded = True
                break
            self.room.left -= len(pair)
            pieces.append(pair)
        return b"(" + b" ".join(pieces) + b")" if pieces else NIL

    def disposition(self, value: bytes | None) -> bytes:
        disposition = parse_disposition(value) if value else None
        if disposition is None:
            return NIL
        return b"(%b %b)" % (self.token(disposition.kind), self.parameters(disposition.parameters))

    def languages(self, value: bytes | None) -> bytes:
        """RFC 3282: one language tag as a string, several as a list."""
        value = self.room.cut(value, _VALUE_OCTETS)
        tags = [tag for tag in (piece.strip() for piece in (value or b"").split(b",")) if tag]
        if len(tags) > 1:
            return b"(" + b" ".join(map(string, tags)) + b")"
        return string(tags[0]) if tags else NIL


def _with_charset(content: ContentType) -> Parameters:
    """RFC 2045, section 5.2: text without a charset is in US-ASCII."""
    if content.type != b"text" or content.parameter(b"charset") or content.parameter(b"charset*"):
        return content.parameters
    return (*content.parameters, (b"charset", b"us-ascii"))
