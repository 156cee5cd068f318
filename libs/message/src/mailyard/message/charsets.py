"""Octets to text: by the charset that a sender claims, as far as it is known and true.

Only charsets of a fixed list are looked up: Python's codec search remembers every name that it was ever
asked for, and some of its codecs are no charsets, or slow on hostile input.
"""

import re
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
_WITHOUT_ALIASES = (
    "mac_arabic",
    "mac_croatian",
    "mac_romanian",
    "koi8_t",
    "koi8_u",
    "cp720",
    "cp737",
    "cp874",
    "utf_8_sig",
)
_MORE_NAMES = {
    "iso8859_6": ("iso_8859_6_i", "iso_8859_6_e"),
    "iso8859_8": ("iso_8859_8_i", "iso_8859_8_e", "logical", "visual"),
    "latin_1": ("8859_1",),
    "cp1252": ("ansi",),
    "mac_roman": ("mac",),
    "mac_latin2": ("mac_ce", "mac_centraleurroman"),
    "mac_iceland": ("mac_icelandic",),
    "mac_cyrillic": ("mac_ukrainian",),
    "koi8_r": ("koi8",),
    "koi8_u": ("koi8_ru",),
    "utf_8": ("unknown_8bit", "x_unknown", "utf8mb4", "unicode_1_1_utf_8"),
    "utf_16": ("ucs_2", "iso_10646_ucs_2"),
    "utf_32": ("ucs_4", "iso_10646_ucs_4"),
    "gb18030": ("cn_gb",),
    "big5": ("x_x_big5", "cn_big5"),
    "cp932": ("windows_31j",),
    "euc_jp": ("cp51932", "euc_jp_ms", "euc_jp_win"),
    "iso2022_jp": ("jis",),
    "iso2022_jp_ext": ("iso_2022_jp_ms", "cp50220", "cp50221", "cp50222"),
    "viscii": ("viscii1.1_1",),
    "tcvn": ("tcvn5712", "tcvn5712_1", "tcvn5712_1_1993", "vscii", "viet_tcvn", "viet_tcvn5712"),
    "vps": ("viet_vps",),
}
"""Names of charsets that mail uses and Python does not know, by codec."""

_LONGEST_NAME = 64
_COMBINING = frozenset(("cp1258",))  # most Vietnamese letters are written with combining marks
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_PREFIXES = ("x", "cs")  # of private names, and of names of the IANA registry
_CODE_PAGE = re.compile(r"(?:windows|win|ibm|dos|ansi|ms|cp)0*([0-9]{3,5})")


def _plain(name: str) -> str:
    """A charset's name as it is looked up: case and separators make no difference."""
    return _SEPARATORS.sub("", name.lower())


_CODECS = {
    _plain(name): _SUPERSETS.get(codec, codec)
    for name, codec in (
        *aliases.items(),
        *((codec, codec) for codec in (*aliases.values(), *_WITHOUT_ALIASES, *CHARSETS)),
        *((name, codec) for codec, names in _MORE_NAMES.items() for name in names),
    )
    if codec not in _NOT_CHARSETS
}


def is_known_charset(charset: str) -> bool:
    """Say whether `decode_octets` knows this charset."""
    return bool(_codec(charset))


def is_utf8(octets: bytes) -> bool:
    """Say whether the octets are UTF-8."""
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


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
    name = _plain(charset)
    names = [name, *(name.removeprefix(prefix) for prefix in _PREFIXES)]
    pages = [f"cp{page[1]}" for each in names if (page := _CODE_PAGE.fullmatch(each))]
    return next((_CODECS[each] for each in (*names, *pages) if each in _CODECS), "")


def _codec(charset: str) -> str:
    return _known_codec(charset) if len(charset) <= _LONGEST_NAME else ""
