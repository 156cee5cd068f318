"""Strings of IMAP answers: `nstring` of RFC 3501, section 4.3, from octets of any kind.

Quoted where the octets allow it, else a literal. NUL can be sent in neither form and is left out; line
ends do not belong in a single value and become one space each.
"""

import re

_SAFE = re.compile(rb"[\t !#-\[\]-~]*\Z").match
_QUOTABLE = re.compile(rb"[\t -~]*\Z").match
_SPECIAL = re.compile(rb'(["\\])')
_LINE_END = re.compile(rb"\r\n|\r|\n")

NIL = b"NIL"


def string(value: bytes) -> bytes:
    """Write one value as quoted string or literal."""
    if _SAFE(value):
        return b'"%b"' % value
    if b"\0" in value:
        value = value.replace(b"\0", b"")
    if b"\r" in value or b"\n" in value:
        value = _LINE_END.sub(b" ", value)
    if _QUOTABLE(value):
        return b'"%b"' % _SPECIAL.sub(rb"\\\1", value)
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """Write one value, or NIL where there is none."""
    return NIL if value is None else string(value)
