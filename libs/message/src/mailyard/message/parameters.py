"""Structured MIME fields: Content-Type and Content-Disposition with their parameters (RFC 2045, 2183, 2231).

Reading is as lenient as senders are careless; what cannot be read is left out, never an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from mailyard.message.fields import unescaped

_TOKEN = rb"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_COMMENT = re.compile(rb"\([^()]*\)")
_LEADING_TOKEN = re.compile(rb"\s*(" + _TOKEN + rb")")
_PARAMETER = re.compile(
    rb'[\s;]*([^\s=;"]*)\s*(=?)\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^;]*))[^;]*', re.DOTALL
)
_SECTION = re.compile(rb"([^*]+)\*([0-9]{1,3})(\*?)")
_NOT_ATTRIBUTE = re.compile(rb"[^!#$&+.^_`{|}~0-9A-Za-z-]")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 256
_COMMON_OCTETS = 100  # values of this length and less are mostly the same few: what was read is remembered
_QUOTED_OR_COMMENT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|\([^()]*+\)', re.DOTALL)

Parameters = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type in lower case with its parameters; names of parameters are in lower case."""

    type: bytes
    subtype: bytes
    parameters: Parameters = ()
    repeats: bool = field(default=False, compare=False)  # a parameter was given more than once

    def parameter(self, name: bytes) -> bytes | None:
        """The value of a parameter, by lower-case name."""
        return next((value for key, value in self.parameters if key == name), None)

    def decoded(self, name: bytes) -> bytes:
        """The octets of a parameter, out of RFC 2231's encoding if it is in it; empty if it is absent."""
        return self.parameter(name) or decode_extended(self.parameter(name + b"*") or b"")[1]


@dataclass(frozen=True, slots=True)
class ContentDisposition:
    """A Content-Disposition (RFC 2183): its kind in lower case and its parameters."""

    kind: bytes
    parameters: Parameters = ()


TEXT_PLAIN = ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),))
MESSAGE_RFC822 = ContentType(b"message", b"rfc822")
OCTET_STREAM = ContentType(b"application", b"octet-stream")


def parse_content_type(value: bytes, *, last: bool = False) -> ContentType | None:
    """Read a Content-Type value; None if it names no media type.

    Of several parameters with one name the first counts, or the `last`.
    """
    read = _read_content_type if len(value) > _COMMON_OCTETS else _common_content_type
    return read(value, last)


def _read_content_type(value: bytes, last: bool) -> ContentType | None:
    if b"(" in value:
        head, semicolon, rest = value.partition(b";")
        value = _COMMENT.sub(b"", head) + semicolon + rest
    match = _MEDIA_TYPE.match(value)
    if match is None:
        return None
    pairs = list(_pairs(value, match.end()))
    names = {name for name, _ in pairs}
    return ContentType(match[1].lower(), match[2].lower(), _parameters(pairs, last), len(names) < len(pairs))


_common_content_type = lru_cache(maxsize=1024)(_read_content_type)


def parse_token(value: bytes) -> bytes:
    """Read the first token of a value, in lower case: what Content-Transfer-Encoding is; may be empty."""
    match = _LEADING_TOKEN.match(value)
    return match[1].lower() if match else b""


def parse_disposition(value: bytes) -> ContentDisposition | None:
    """Read a Content-Disposition value; None if it is empty."""
    match = _LEADING_TOKEN.match(value)
    if match is None:
        return None
    return ContentDisposition(match[1].lower(), parse_parameters(value, match.end()))


def parse_parameters(value: bytes, position: int) -> Parameters:
    """Read `; name=value` pairs from `position` on, at most 256; the first of several with one name counts."""
    return _parameters(list(_pairs(value, position)), last=False)


def without_comments(value: bytes) -> bytes:
    """A value without the comments (RFC 5322, section 3.2.2) that stand outside of quoted strings."""
    if b"(" not in value:
        return value
    return _QUOTED_OR_COMMENT.sub(lambda match: b"" if match[0][:1] == b"(" else match[0], value)


def _pairs(value: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    end = len(value)
    for _ in range(_MAX_PARAMETERS):
        if position >= end:
            return
        match = _PARAMETER.match(value, position)
        assert match is not None
        name, equals, quoted, plain = match.groups()
        if name and equals:
            yield name.lower(), unescaped(quoted) if plain is None else _bare(plain)
        position = match.end()


def _parameters(pairs: list[tuple[bytes, bytes]], last: bool) -> Parameters:
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if last or name not in found:
            found[name] = value
    return tuple(found.items()) if b"*" not in b"".join(found) else _joined(found)


def decode_extended(value: bytes) -> tuple[str, bytes]:
    """Take RFC 2231's `charset'language'%41%42` apart: charset in lower case, and octets."""
    charset, quote, rest = value.partition(b"'")
    text = rest.partition(b"'")[2] if quote else value
    octets = _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), text)
    return (charset.decode("ascii", "replace").lower() if quote else ""), octets


def _joined(found: dict[bytes, bytes]) -> Parameters:
    """Put continuations `name*0*`, `name*1` … together as `name*` or `name` (RFC 2231, section 3)."""
    whole: dict[bytes, bytes] = {}
    sections: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for key, value in found.items():
        match = _SECTION.fullmatch(key)
        if match is None:
            whole[key] = value
        else:
            whole.setdefault(match[1], b"")  # keeps its position
            sections.setdefault(match[1], {})[int(match[2])] = (value, bool(match[3]))
    return tuple(
        _join(key, sections[key]) if key in sections else (key, value) for key, value in whole.items()
    )


def _join(name: bytes, sections: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bytes]:
    pieces = [sections[number] for number in sorted(sections)]
    if not any(extended for _, extended in pieces):
        return name, b"".join(value for value, _ in pieces)
    encoded = (value if extended else _NOT_ATTRIBUTE.sub(_percent, value) for value, extended in pieces)
    return name + b"*", b"".join(encoded)


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def _bare(value: bytes) -> bytes:
    """An unquoted value without the comment that may follow it; spaces inside are kept (careless file names)."""
    value = value.strip()
    comment = value.rfind(b" (") if value.endswith(b")") else -1
    return value[:comment].rstrip() if comment >= 0 else value
