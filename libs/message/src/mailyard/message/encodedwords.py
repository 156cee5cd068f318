"""Encoded words of header values (RFC 2047), decoded to text with a fallback for every charset."""

import binascii
import re

from mailyard.message.charsets import decode_octets

_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")


def decode_words(value: bytes) -> str:
    """Decode an unfolded header value. Never raises; what cannot be decoded stays readable."""
    if b"=?" not in value:
        return decode_octets(value)
    texts: list[str] = []
    pending: list[bytes] = []
    pending_charset, position = "", 0
    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        charset = match[1].decode("ascii", "replace").lower()
        octets = _decode_word(match[2], match[3])
        position = match.end()
        adjacent = not between.strip() and bool(pending_charset)
        if adjacent and charset == pending_charset:
            pending.append(octets)  # a character may be split over two words
            continue
        texts.append(decode_octets(b"".join(pending), pending_charset))
        if not adjacent:
            texts.append(decode_octets(between))
        pending, pending_charset = [octets], charset
    texts += (decode_octets(b"".join(pending), pending_charset), decode_octets(value[position:]))
    return "".join(texts)


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    try:
        return binascii.a2b_base64(text + b"===")
    except binascii.Error:
        return text
