"""Octets to text: by the charset that a sender claims, as far as it is known and true.

Only charsets of a fixed list are looked up: Python's codec search remembers every name that it was ever
asked for, and some of its codecs are no charsets, or slow on hostile input.
"""

import encodings
from encodings.aliases import aliases

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
}
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
    if not charset and octets.isascii():
        return octets.decode("ascii")
    codec = _CODECS.get(encodings.normalize_encoding(charset).lower(), "") if charset else ""
    for name in (codec, "utf_8"):
        try:
            return octets.decode(name or "utf_8")
        except UnicodeError:
            continue
    return octets.decode(codec if codec and codec != "utf_8" else "cp1252", "replace")
