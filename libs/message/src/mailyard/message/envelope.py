"""ENVELOPE (RFC 3501, section 7.4.2): the overview of a header section as octets ready for a FETCH answer."""

from collections.abc import Mapping, Sequence

from mailyard.message.addresslist import HeaderAddress, parse_address_list
from mailyard.message.fields import Field
from mailyard.message.imapstrings import NIL, nstring

_ADDRESS_FIELDS = (b"sender", b"reply-to", b"to", b"cc", b"bcc")
_ENVELOPE_FIELDS = frozenset((b"date", b"subject", b"from", *_ADDRESS_FIELDS, b"in-reply-to", b"message-id"))


def envelope_values(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """The unfolded values that ENVELOPE needs, by lower-case name; the first field of a name counts.

    Several To, Cc and Bcc fields, which RFC 5322, section 3.6, forbids, are read as one.
    """
    values: dict[bytes, bytes] = {}
    for header_field in fields:
        name = header_field.name
        if name not in _ENVELOPE_FIELDS:
            continue
        if name not in values:
            values[name] = header_field.value
        elif name in (b"to", b"cc", b"bcc"):
            values[name] += b", " + header_field.value
    return values


def encode_envelope(values: Mapping[bytes, bytes]) -> bytes:
    """Write the parenthesised list. Sender and Reply-To default to From."""
    author = encode_addresses(values.get(b"from"))
    pieces = [nstring(values.get(b"date")), nstring(values.get(b"subject")), author]
    for name in _ADDRESS_FIELDS:
        encoded = encode_addresses(values.get(name))
        pieces.append(author if encoded is NIL and name in (b"sender", b"reply-to") else encoded)
    pieces += [nstring(values.get(b"in-reply-to")), nstring(values.get(b"message-id"))]
    return b"(" + b" ".join(pieces) + b")"


def encode_addresses(value: bytes | None) -> bytes:
    """Write the addresses of a field's value, or NIL."""
    addresses = parse_address_list(value) if value else None
    if not addresses:
        return NIL
    return b"(" + b"".join(map(_encode_address, addresses)) + b")"


def _encode_address(address: HeaderAddress) -> bytes:
    return b"(%b %b %b %b)" % tuple(map(nstring, address))
