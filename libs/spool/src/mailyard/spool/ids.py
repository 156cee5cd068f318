"""Spool ids: 20 characters, ordered by time, easy to read aloud (one case, no padding).

The twelve octets of an ObjectId in base32hex (RFC 4648, section 7), which keeps their order: second of
acceptance, process, counter. A row of a leg beyond the first has the id with ".n" behind it.
"""

import base64
import struct
from datetime import UTC, datetime

from bson import ObjectId

_LENGTH = 20


class BadSpoolId(ValueError):
    """Not a spool id."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a spool id: it has 20 characters of 0-9 and a-v, and .n for a leg")


def new_spool_id(accepted_at: datetime) -> str:
    """Make a spool id that no other process makes."""
    seconds = struct.pack(">I", int(accepted_at.timestamp()))
    return _encode(seconds + ObjectId().binary[4:])


def first_spool_id(since: datetime) -> str:
    """Return the lowest id of messages accepted at or after a second."""
    return _encode(struct.pack(">I", int(since.timestamp())) + bytes(8))


def accepted_second(spool_id: str) -> datetime:
    """When the message was accepted, to the second.

    Raises:
        BadSpoolId: the text is not a spool id.

    """
    text = spool_id.partition(".")[0]
    try:
        octets = base64.b32hexdecode(text.upper() + "====") if len(text) == _LENGTH else b""
    except ValueError:
        octets = b""
    if not octets:
        raise BadSpoolId(spool_id)
    return datetime.fromtimestamp(struct.unpack(">I", octets[:4])[0], tz=UTC)


def row_id(spool_id: str, leg: int) -> str:
    """Return the key of a leg's row in `spool`."""
    return f"{spool_id}.{leg}" if leg else spool_id


def _encode(octets: bytes) -> str:
    return base64.b32hexencode(octets).decode("ascii")[:_LENGTH].lower()
