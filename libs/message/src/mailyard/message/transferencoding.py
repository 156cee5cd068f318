"""Content-Transfer-Encoding (RFC 2045, section 6), undone as far as the octets allow."""

import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_DIGITS = bytes(set(range(256)) - set(_BASE64_ALPHABET))
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64_ALPHABET + b"="))
_WHITE = b" \t\r\n"
_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]*)\r?\n", re.MULTILINE)
_QP_DAMAGE = re.compile(rb"=(?![0-9A-F]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_MAX_UU_FILES = 100

IDENTITY = frozenset((b"", b"7bit", b"8bit", b"binary"))


def decode_transfer(octets: bytes, encoding: bytes) -> bytes:
    """Undo an encoding, by its name in lower case; octets in an unknown one are left alone. Never raises."""
    decode = _DECODERS.get(encoding)
    return decode(octets) if decode else octets


def is_identity(encoding: bytes) -> bool:
    """Whether octets in this encoding, by its name in lower case, are the content itself."""
    return encoding not in _DECODERS


def is_damaged(octets: bytes, encoding: bytes) -> bool:
    """Whether octets are not what the encoding allows, so that readers may decode them differently."""
    if encoding == b"base64":
        rest = octets.translate(None, _BASE64_ALPHABET + _WHITE)
        digits_and_pads = len(octets.translate(None, _WHITE))
        is_padded = rest in (b"", b"=", b"==") and octets.rstrip(_WHITE).endswith(rest)
        return not is_padded or digits_and_pads % 4 != 0
    if encoding == b"quoted-printable":
        return _QP_DAMAGE.search(octets) is not None
    return False


def decode_without_pads(octets: bytes) -> bytes:
    """Decode base64 as readers do that leave out pads wherever they stand."""
    return _digits(octets.translate(None, _NOT_DIGITS))


class UuFile(NamedTuple):
    """A file that was written into a text with uuencode."""

    name: bytes
    octets: bytes


def uu_files(octets: bytes) -> Iterator[UuFile]:
    """The uuencoded files in a text, at most 100."""
    if not octets.startswith(b"begin") and b"\nbegin" not in octets:
        return
    position = 0
    for _ in range(_MAX_UU_FILES):
        begin = _UU_BEGIN.search(octets, position)
        if begin is None:
            return
        content, position = _uu_lines(octets, begin.end())
        yield UuFile(begin[1].strip(), content)


def _decode_base64(octets: bytes) -> bytes:
    """Go on behind pads (RFC 4648, section 3.3, leaves it open) and use what a missing pad leaves over."""
    text = octets.translate(None, _NOT_BASE64)
    end = text.rstrip(b"=")
    if b"=" not in end:
        return _digits(end)
    return b"".join(_digits(run) for run in end.split(b"=") if run)


def _digits(digits: bytes) -> bytes:
    """Decode digits of base64 without pads; a single digit left over has too few bits for an octet."""
    rest = len(digits) % 4
    if rest == 1:
        digits, rest = digits[:-1], 0
    return binascii.a2b_base64(digits + b"=" * (-rest % 4))


def _decode_uu(octets: bytes) -> bytes:
    begin = _UU_BEGIN.search(octets)
    return octets if begin is None else _uu_lines(octets, begin.end())[0]


def _uu_lines(octets: bytes, position: int) -> tuple[bytes, int]:
    """Decode the lines from `position` on; return their content and where they end."""
    lines = []
    while position < len(octets):
        end = octets.find(b"\n", position)
        end = len(octets) if end < 0 else end
        line = octets[position:end].rstrip(b"\r")
        position = end + 1
        if line.startswith((b"end", b"`", b"====")):
            break
        try:
            lines.append(binascii.a2b_uu(line))
        except binascii.Error:
            continue
    return b"".join(lines), position


_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"base64": _decode_base64,
    b"quoted-printable": binascii.a2b_qp,
    b"x-uuencode": _decode_uu,
    b"uuencode": _decode_uu,
    b"x-uue": _decode_uu,
}
ENCODINGS = IDENTITY | _DECODERS.keys()
