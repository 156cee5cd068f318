"""Mailbox names on the wire: modified UTF-7 (RFC 3501, section 5.1.3), and INBOX in any case."""

import binascii
import re

from mailyard.imap.grammar.cursor import CommandRefused, Cursor
from mailyard.imap.grammar.syntax import astring, encode_astring
from mailyard.imap.wellknown import INBOX

MAX_ENCODED = 8_192  # octets in modified UTF-7: a name of 1,000 octets in UTF-8 never needs as many

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)(-?)")
_PRINTABLE = re.compile(rb"[\x20-\x7e]*")
_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class InvalidMailboxName(ValueError):
    """Octets that are not a mailbox name."""


def decode_name(octets: bytes) -> str:
    """Decode a mailbox name from modified UTF-7.

    Each name has one encoding only: base64 never stands for printable ASCII, and shifts are not superfluous (RFC 3501,
    section 5.1.3). Otherwise a client would not find the name that it has sent.

    Raises:
        InvalidMailboxName: `octets` are not a mailbox name.

    """
    if len(octets) > MAX_ENCODED:
        raise InvalidMailboxName("The mailbox name is too long")
    if not _PRINTABLE.fullmatch(octets):
        raise InvalidMailboxName("Mailbox names are sent in modified UTF-7")
    name = _SHIFTED.sub(lambda run: _decode_run(run).encode("utf-8", "surrogatepass"), octets).decode("utf-8")
    if encode_name(name) != octets:
        raise InvalidMailboxName("The mailbox name is not the canonical modified UTF-7")
    return name


def _decode_run(run: re.Match[bytes]) -> str:
    """Decode one shift sequence: "&" base64 "-". "&-" stands for "&" itself."""
    base64, closed = run[1].replace(b",", b"/"), run[2]
    if not closed:
        raise InvalidMailboxName("A shift sequence in the mailbox name does not end")
    if not base64:
        return "&"
    try:
        text = binascii.a2b_base64(base64 + b"=" * (-len(base64) % 4), strict_mode=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidMailboxName("A shift sequence in the mailbox name is not base64 of UTF-16") from error
    if _CONTROL.search(text):
        raise InvalidMailboxName("A mailbox name may not contain control characters")
    return text


def encode_name(name: str) -> bytes:
    """Encode a mailbox name in modified UTF-7."""
    return _BEYOND_ASCII.sub(_encode_run, name.replace("&", "&-")).encode("ascii")


def _encode_run(run: re.Match[str]) -> str:
    base64 = binascii.b2a_base64(run[0].encode("utf-16-be"), newline=False).decode("ascii")
    return "&" + base64.rstrip("=").replace("/", ",") + "-"


def mailbox(cursor: Cursor) -> str:
    """ABNF: mailbox = "INBOX" / astring; INBOX in any case means INBOX.

    Raises:
        CommandRefused: the argument is not a mailbox name.

    """
    octets = astring(cursor)
    try:
        name = decode_name(octets)
    except InvalidMailboxName as error:
        raise CommandRefused(str(error), "CANNOT") from error
    return INBOX if name.upper() == INBOX else name


def encode_mailbox(name: str) -> bytes:
    """Encode a mailbox name as an argument or in a response."""
    return encode_astring(encode_name(name))
