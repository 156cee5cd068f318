"""BODYSTRUCTURE and BODY (RFC 3501, section 7.4.2) as octets ready for a FETCH answer."""

from mailyard.message.envelope import encode_envelope, envelope_values
from mailyard.message.fields import first_value
from mailyard.message.imapstrings import NIL, nstring, string
from mailyard.message.parameters import ContentType, Parameters, parse_disposition, parse_token
from mailyard.message.structure import Kind, Part


def encode_bodystructure(part: Part, *, extended: bool) -> bytes:
    """Write a part's structure; `extended`: with extension data (BODYSTRUCTURE), else without (BODY)."""
    if part.kind is Kind.MULTIPART:
        return _encode_multipart(part, extended=extended)
    content = part.content_type
    pieces = [
        string(content.type),
        string(content.subtype),
        _encode_parameters(_with_charset(content)),
        nstring(first_value(part.fields, b"content-id")),
        nstring(first_value(part.fields, b"content-description")),
        string(parse_token(first_value(part.fields, b"content-transfer-encoding") or b"") or b"7bit"),
        b"%d" % (part.end - part.body),
    ]
    if part.kind is Kind.MESSAGE:
        message = part.children[0]
        pieces.append(encode_envelope(envelope_values(message.fields)))
        pieces.append(encode_bodystructure(message, extended=extended))
    if part.kind is Kind.MESSAGE or content.type == b"text":
        pieces.append(b"%d" % part.lines)
    if extended:
        pieces.append(nstring(first_value(part.fields, b"content-md5")))
        pieces += _encode_extension(part)
    return b"(" + b" ".join(pieces) + b")"


def _encode_multipart(part: Part, *, extended: bool) -> bytes:
    children = b"".join(encode_bodystructure(child, extended=extended) for child in part.children)
    pieces = [children, string(part.content_type.subtype)]
    if extended:
        pieces.append(_encode_parameters(part.content_type.parameters))
        pieces += _encode_extension(part)
    return b"(" + b" ".join(pieces) + b")"


def _encode_extension(part: Part) -> list[bytes]:
    """Disposition, language and location."""
    return [
        _encode_disposition(first_value(part.fields, b"content-disposition")),
        _encode_languages(first_value(part.fields, b"content-language")),
        nstring(first_value(part.fields, b"content-location")),
    ]


def _with_charset(content: ContentType) -> Parameters:
    """RFC 2045, section 5.2: text without a charset is in US-ASCII."""
    if content.type != b"text" or content.parameter(b"charset") or content.parameter(b"charset*"):
        return content.parameters
    return (*content.parameters, (b"charset", b"us-ascii"))


def _encode_parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return b"(" + b" ".join(string(text) for pair in parameters for text in pair) + b")"


def _encode_disposition(value: bytes | None) -> bytes:
    disposition = parse_disposition(value) if value else None
    if disposition is None:
        return NIL
    return b"(%b %b)" % (string(disposition.kind), _encode_parameters(disposition.parameters))


def _encode_languages(value: bytes | None) -> bytes:
    """RFC 3282: one language tag as a string, several as a list."""
    tags = [tag for tag in (piece.strip() for piece in (value or b"").split(b",")) if tag]
    if len(tags) > 1:
        return b"(" + b" ".join(map(string, tags)) + b")"
    return string(tags[0]) if tags else NIL
