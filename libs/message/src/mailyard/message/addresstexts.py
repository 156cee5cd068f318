"""The addresses of a header field as text, as clients show them from ENVELOPE; for SEARCH and for filters."""

import re
from collections.abc import Iterator

from mailyard.message.addresslist import parse_address_list
from mailyard.message.encodedwords import decode_words

_UNLIKE_ENVELOPE = re.compile(rb"[(\"\\\x00]|[ \t][@.]|[@.][ \t]")


def address_texts(value: bytes) -> Iterator[str]:
    """The addresses of an unfolded value, `name <mailbox@host>`; none where the value itself shows each of them.

    `a@good(x).test`, for one, is the address a@good.test, which its octets do not hold.
    """
    if not _UNLIKE_ENVELOPE.search(value):
        return
    for address in parse_address_list(value):
        if address.mailbox is not None and address.host is not None:
            name = decode_words(address.name or b"")
            yield f"{name} <{decode_words(address.mailbox + b'@' + address.host)}>".lstrip()
