"""Octets to text: by the charset that a sender claims, as far as it is known and true.

Only charsets of a fixed list are looked up: Python's codec search remembers every name that it was ever
asked for, and some of its codecs are no charsets, or slow on hostile input.
"""

import encodings
from encodings.aliases import aliases
from functools import lru_cache

from mailyard.message.defects import Defect
from mailyard.message.folding import normalized
from mailyard.message.vietnamese import CHARSETS, decode_vietnamese

_NOT_CHARSETS = frozenset(
    [
        "base64_codec",
        "bz2_codec",
        "hex_codec",
        "idna",
        "mbcs",
        "oem",
        "punycode",
        "quopri_codec",
        "raw_unicode_escape",
        "rot_13",
        "undefined",
        "unicode_escape",
        "uu_codec",
        "zlib_codec",
    ]
)
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "ascii": "utf_8",
}
_MORE_NAMES = {
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "x_gbk": "gb18030",
    "x_sjis": "cp932",
    "x_mac_roman": "mac_roman",
    "macintosh": "mac_roman",
    "koi8_r": "koi8_r",
    "koi8_u": "koi8_u",
    "cp874": "cp874",
    "windows_874": "cp874",
    "unknown_8bit": "utf_8",
    "x_unknown": "utf_8",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "iso_10646_ucs_2": "utf_16",
    "windows_936": "gb18030",
    "x_euc_jp": "euc_jp",
    "x_x_big5": "big5",
    "x_mac_ce": "mac_latin2",
    "x_mac_cyrillic": "mac_cyrillic",
    "x_windows_949": "cp949",
    "x_cp1258": "cp1258",
    "csviscii": "viscii",
    "viscii": "viscii",
    "viscii1.1_1": "viscii",
    "tcvn": "tcvn",
    "tcvn_5712": "tcvn",
    "tcvn5712": "tcvn",
    "tcvn5712_1": "tcvn",
    "tcvn5712_1_1993": "tcvn",
    "vscii": "tcvn",
    "x_viet_tcvn": "tcvn",
    "x_viet_tcvn5712": "tcvn",
}
_LONGEST_NAME = 64
_COMBINING = frozenset(("cp1258",))  # most Vietnamese letters are written with combining marks
_CODECS = {
    name: _SUPERSETS.get(codec, codec)
    for name, codec in {**aliases, **{codec: codec for codec in aliases.values()}, **_MORE_NAMES}.items()
    if codec not in _NOT_CHARSETS
}


def is_known_charset(charset: str) -> bool:
    """Say whether `decode_octets` knows this charset."""
    return encodings.normalize_encoding(charset).lower() in _CODECS


def decode_octets(octets: bytes, charset: str = "") -> str:
    """Decode by the named charset if that works, else as UTF-8, else as far as it goes; never raises.

    Without a known charset, what is not UTF-8 is read as Windows-1252.
    """
    return decode_claimed(octets, charset)[0]


def decode_claimed(octets: bytes, charset: str) -> tuple[str, Defect | None]:
    """Decode like `decode_octets`; also return what is wrong with the charset that the sender claims."""
    if not charset and octets.isascii():
        return octets.decode("ascii"), None
    codec = _codec(charset)
    unknown = Defect.CHARSET_UNKNOWN if charset and not codec else None
    if codec in CHARSETS:
        return normalized(decode_vietnamese(octets, codec)), None
    for name in (codec, "utf_8"):
        try:
            text = octets.decode(name or "utf_8")
        except UnicodeError:
            continue
        wrong = Defect.CHARSET_WRONG if codec and name != codec else None
        return (normalized(text) if name in _COMBINING else text), unknown or wrong
    text = octets.decode(codec if codec and codec != "utf_8" else "cp1252", "replace")
    return text, unknown or Defect.CHARSET_WRONG


@lru_cache(maxsize=256)
def _known_codec(charset: str) -> str:
    """The codec for a charset's name, as senders write it; empty: none is known."""
    name = encodings.normalize_encoding(charset.strip(" \t\"'")).lower()
    return _CODECS.get(name, "")


def _codec(charset: str) -> str:
    return _known_codec(charset) if len(charset) <= _LONGEST_NAME else ""
