"""Header fields as text, for SEARCH and for filters. Nothing here raises."""

import re
from collections.abc import Iterator

from mailyard.message.addresslist import parse_address_list
from mailyard.message.charsets import decode_octets
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import scan_fields

_UNLIKE_ENVELOPE = re.compile(rb"[(\"\\\x00]|[ \t][@.]|[@.][ \t]")


def header_text(header: bytes) -> str:
    """A header section as text: unfolded fields, encoded words decoded, one line each."""
    lines = (f"{decode_octets(field.name)}: {decode_words(field.value)}" for field in scan_fields(header))
    return "\n".join(lines)


def address_texts(value: bytes) -> Iterator[str]:
    """The addresses of an unfolded value as clients show them from ENVELOPE: `name <mailbox@host>`.

    There are none where the value itself shows each of them. `a@good(x).test`, for one, is the address a@good.test,
    which its octets do not hold.
    """
    if not _UNLIKE_ENVELOPE.search(value):
        return
    for address in parse_address_list(value):
        if address.mailbox is not None and address.host is not None:
            name = decode_words(address.name or b"")
            yield f"{name} <{decode_words(address.mailbox + b'@' + address.host)}>".lstrip()
