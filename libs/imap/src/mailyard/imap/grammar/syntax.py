"""Productions that all commands share (RFC 3501, section 9): parsing and encoding."""

import re
from collections.abc import Callable
from typing import TypeVar

from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor

MAX_NUMBER = 4_294_967_295
MAX_NUMBER64 = 9_223_372_036_854_775_807  # RFC 9051, section 9: number64

T = TypeVar("T")

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_LIST_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r?\n")
_NUMBER = re.compile(rb"\d{1,10}")
_NUMBER64 = re.compile(rb"\d{1,19}")
_SPACES = re.compile(rb" +")
_PLAIN = re.compile(rb"[\x20-\x7e]*")


def space(cursor: Cursor) -> None:
    """SP; several spaces are accepted."""
    if cursor.match(_SPACES) is None:
        raise CommandSyntaxError("Expected a space")


def skip_spaces(cursor: Cursor) -> bool:
    """Step over spaces; return whether there were any."""
    return cursor.match(_SPACES) is not None


def tag(cursor: Cursor) -> str:
    """ABNF: tag = 1*<any ASTRING-CHAR except "+">."""
    return cursor.require(_TAG, "a tag").decode("ascii")


def atom(cursor: Cursor) -> bytes:
    """ABNF: atom = 1*ATOM-CHAR."""
    return cursor.require(_ATOM, "an atom")


def string(cursor: Cursor) -> bytes:
    """ABNF: string = quoted / literal. Eight-bit octets are accepted in quoted strings too: clients send passwords so."""
    value = _quoted(cursor) if cursor.sees(b'"') else _literal(cursor)
    if value is None:
        raise CommandSyntaxError("Expected a string")
    return value


def astring(cursor: Cursor) -> bytes:
    """ABNF: astring = 1*ASTRING-CHAR / string."""
    found = cursor.match(_ASTRING_ATOM)
    return found[0] if found else string(cursor)


def nstring(cursor: Cursor) -> bytes | None:
    """ABNF: nstring = string / nil."""
    found = cursor.match(_ATOM)
    if found is None:
        return string(cursor)
    if found[0].upper() != b"NIL":
        raise CommandSyntaxError("Expected a string or NIL")
    return None


def list_mailbox(cursor: Cursor) -> bytes:
    """ABNF: list-mailbox = 1*list-char / string."""
    found = cursor.match(_LIST_ATOM)
    return found[0] if found else string(cursor)


def number(cursor: Cursor) -> int:
    """ABNF: number = 1*DIGIT, below 2**32."""
    value = int(cursor.require(_NUMBER, "a number"))
    if value > MAX_NUMBER:
        raise CommandSyntaxError("The number is too large")
    return value


def number64(cursor: Cursor) -> int:
    """ABNF: number64 = 1*DIGIT, below 2**63."""
    value = int(cursor.require(_NUMBER64, "a number"))
    if value > MAX_NUMBER64:
        raise CommandSyntaxError("The number is too large")
    return value


def nz_number(cursor: Cursor) -> int:
    """nz-number: a number above zero."""
    value = number(cursor)
    if not value:
        raise CommandSyntaxError("Expected a number above zero")
    return value


def parenthesised(cursor: Cursor, item: Callable[[Cursor], T], most: int | None = None) -> tuple[T, ...]:
    """ABNF: "(" [item *(SP item)] ")", with at most `most` items; None: `limits.items`."""
    cursor.expect(b"(", "an opening parenthesis")
    skip_spaces(cursor)
    items: list[T] = []
    while not cursor.skip(b")"):
        if len(items) >= (cursor.limits.items if most is None else most):
            raise CommandSyntaxError("The list is too long")
        items.append(item(cursor))
        if not skip_spaces(cursor) and not cursor.sees(b")"):
            raise CommandSyntaxError("Expected a space")
    return tuple(items)


def end(cursor: Cursor) -> None:
    """Require the end of the command, behind any spaces."""
    skip_spaces(cursor)
    if not cursor.at_end:
        raise CommandSyntaxError("Unexpected words at the end of the command")


def _quoted(cursor: Cursor) -> bytes | None:
    found = cursor.match(_QUOTED)
    return None if found is None else _ESCAPED.sub(rb"\1", found[1])


def _literal(cursor: Cursor) -> bytes | None:
    found = cursor.match(_LITERAL)
    if found is None:
        return None
    octets = cursor.take(int(found[1]))
    if b"\x00" in octets:
        raise CommandSyntaxError("A literal may not contain NUL (RFC 3501, section 4.3)")
    return octets


def encode_string(octets: bytes) -> bytes:
    """Encode octets as a quoted string if possible, else as a literal."""
    if len(octets) <= 1_000 and _PLAIN.fullmatch(octets):
        return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(octets), octets)


def encode_astring(octets: bytes) -> bytes:
    """Encode octets as an atom if possible, else as a string."""
    return octets if _ASTRING_ATOM.fullmatch(octets) and octets.upper() != b"NIL" else encode_string(octets)
