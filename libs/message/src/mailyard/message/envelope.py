"""ENVELOPE (RFC 3501, section 7.4.2): the overview of a header section as octets ready for a FETCH answer.

It takes at most 64 KiB: longer values are cut, and addresses beyond the limit are left out.
"""

from collections.abc import Mapping, Sequence

from mailyard.message.addresslist import GROUP_END, MAX_ADDRESSES, HeaderAddress, parse_address_list
from mailyard.message.allowance import Allowance
from mailyard.message.fields import Field
from mailyard.message.imapstrings import NIL, nstring

ENVELOPE_OCTETS = 65_536
AUTHOR_OCTETS = 6_144  # of From, Sender and Reply-To, each
SUBJECT_OCTETS = 8_192
DATE_OCTETS = 512
IDENTIFIER_OCTETS = 4_096
_ADDRESS_FIELDS = (b"sender", b"reply-to", b"to", b"cc", b"bcc")
_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc")
_ENVELOPE_FIELDS = frozenset((b"date", b"subject", b"from", *_ADDRESS_FIELDS, b"in-reply-to", b"message-id"))


def envelope_values(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """The unfolded values that ENVELOPE needs, by lower-case name; the first field of a name counts.

    Several To, Cc and Bcc fields, which RFC 5322, section 3.6, forbids, are read as one.
    """
    values: dict[bytes, list[bytes]] = {}
    for header_field in fields:
        name = header_field.name
        if name not in _ENVELOPE_FIELDS:
            continue
        if name not in values:
            values[name] = [header_field.value]
        elif name in _RECIPIENT_FIELDS:
            values[name].append(header_field.value)
    return {name: b", ".join(several) for name, several in values.items()}


def encode_envelope(
    values: Mapping[bytes, bytes],
    allowance: Allowance,
    found: Mapping[bytes, list[HeaderAddress]] | None = None,
) -> bytes:
    """Write the parenthesised list within the allowance. Sender and Reply-To default to From.

    The addresses of each field that `found` names are added to its list there, so that nobody parses them again.
    """
    found = found or {}
    date = nstring(allowance.cut(values.get(b"date"), DATE_OCTETS))
    subject = nstring(allowance.cut(values.get(b"subject"), SUBJECT_OCTETS))
    identifiers = [
        nstring(allowance.cut(values.get(name), IDENTIFIER_OCTETS))
        for name in (b"in-reply-to", b"message-id")
    ]
    author = encode_addresses(values.get(b"from"), allowance, AUTHOR_OCTETS, found.get(b"from"))
    pieces = [date, subject, author]
    for name in _ADDRESS_FIELDS:
        is_recipient = name in _RECIPIENT_FIELDS
        most = allowance.left if is_recipient else AUTHOR_OCTETS
        encoded = encode_addresses(values.get(name), allowance, most, found.get(name))
        if encoded is NIL and not is_recipient:
            allowance.left -= len(author)
            encoded = author
        pieces.append(encoded)
    return b"(" + b" ".join(pieces + identifiers) + b")"


def encode_addresses(
    value: bytes | None, allowance: Allowance, most: int, found: list[HeaderAddress] | None = None
) -> bytes:
    """Write the addresses of a field's value, as many as fit into `most` octets, or NIL. They are added to `found`."""
    most = max(0, min(most, allowance.left))
    addresses = parse_address_list(value, most) if value else []
    if found is not None:
        found += addresses
    allowance.exceeded |= len(value or b"") > most or len(addresses) >= MAX_ADDRESSES
    pieces: list[bytes] = []
    used, in_group = 0, False
    for address in addresses:
        piece = _encode_address(address)
        used += len(piece)
        if used > most:
            allowance.exceeded = True
            pieces += [_encode_address(GROUP_END)] * in_group
            break
        pieces.append(piece)
        if address.host is None:
            in_group = address.mailbox is not None
    allowance.left -= used
    return b"(" + b"".join(pieces) + b")" if pieces else NIL


def _encode_address(address: HeaderAddress) -> bytes:
    return b"(%b %b %b %b)" % tuple(map(nstring, address))
