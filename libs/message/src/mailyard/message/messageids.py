"""Message identifiers of Message-ID, In-Reply-To and References (RFC 5322, section 3.6.4)."""

import re

_ID = re.compile(rb"<[^<>\s]{1,990}>")
_MAX_IDS = 200


def message_ids(value: bytes) -> tuple[str, ...]:
    """All identifiers with their angle brackets, in order; of very many the first and the latest."""
    found = [_text(octets) for octets in _ID.findall(value)]
    return tuple(found if len(found) <= _MAX_IDS else [found[0], *found[1 - _MAX_IDS :]])


def first_message_id(value: bytes) -> str:
    """The first identifier; without angle brackets in the value, the first word that is there."""
    match = _ID.search(value)
    if match:
        return _text(match[0])
    words = value.split(None, 1)
    return _text(words[0][:990]) if words else ""


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace").replace("\0", "")
