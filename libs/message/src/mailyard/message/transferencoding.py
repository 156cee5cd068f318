"""Content-Transfer-Encoding (RFC 2045, section 6), undone as far as the octets allow."""

import binascii
import re
from collections.abc import Callable

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64_ALPHABET))
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\n]*\n", re.MULTILINE)


def decode_transfer(octets: bytes, encoding: bytes) -> bytes:
    """Undo an encoding, by its name in lower case; octets in an unknown one are left alone. Never raises."""
    decode = _DECODERS.get(encoding)
    return decode(octets) if decode else octets


def _decode_base64(octets: bytes) -> bytes:
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:  # cut off in the middle
        digits = octets.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(digits[: len(digits) // 4 * 4])


def _decode_uu(octets: bytes) -> bytes:
    begin = _UU_BEGIN.search(octets)
    if begin is None:
        return octets
    lines = []
    for line in octets[begin.end() :].split(b"\n"):
        if line.startswith((b"end", b"`")):
            break
        try:
            lines.append(binascii.a2b_uu(line.rstrip(b"\r")))
        except binascii.Error:
            continue
    return b"".join(lines)


_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"base64": _decode_base64,
    b"quoted-printable": binascii.a2b_qp,
    b"x-uuencode": _decode_uu,
    b"uuencode": _decode_uu,
    b"x-uue": _decode_uu,
}
