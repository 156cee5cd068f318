"""Flags and keywords: parsing and encoding (RFC 3501, sections 2.3.2 and 9)."""

import re
from collections.abc import Iterable

from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import atom, parenthesised
from mailyard.imap.wellknown import SYSTEM_FLAGS, is_keyword

MAX_KEYWORD = 128

_SYSTEM = re.compile(rb"\\[A-Za-z]+")
_CANONICAL = {flag.lower(): flag for flag in SYSTEM_FLAGS}


def flag(cursor: Cursor) -> str:
    r"""ABNF: flag = a system flag in any case, or a keyword; a client cannot set \Recent."""
    if not cursor.sees(b"\\"):
        return keyword(cursor)
    name = cursor.require(_SYSTEM, "a flag").decode("ascii")
    if name.lower() not in _CANONICAL:
        raise CommandSyntaxError(f"The flag {name} cannot be set")
    return _CANONICAL[name.lower()]


def searched_flag(cursor: Cursor) -> str:
    r"""Read the argument of KEYWORD and UNKEYWORD: a keyword; a system flag such as \Seen is accepted too."""
    if not cursor.sees(b"\\"):
        return keyword(cursor)
    name = cursor.require(_SYSTEM, "a flag").decode("ascii")
    return _CANONICAL.get(name.lower(), name)


def keyword(cursor: Cursor) -> str:
    """ABNF: flag-keyword = atom."""
    name = atom(cursor)
    if len(name) > MAX_KEYWORD:
        raise CommandSyntaxError("The keyword is too long")
    return name.decode("ascii")


def flag_list(cursor: Cursor) -> frozenset[str]:
    """ABNF: flag-list = "(" [flag *(SP flag)] ")"."""
    return without_doubles(parenthesised(cursor, flag, cursor.limits.flags))


def without_doubles(names: Iterable[str]) -> frozenset[str]:
    """Return the flags; of keywords that differ only in case the first (RFC 3501, section 9: they are the same)."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return frozenset(first.values())


def encode_flags(flags: Iterable[str]) -> bytes:
    """Encode flags in parentheses: system flags first, then keywords, both sorted."""
    return f"({' '.join(sorted(flags, key=lambda name: (is_keyword(name), name)))})".encode("ascii")
