"""Address lists of header fields (RFC 5322, section 3.4, and the obsolete forms of section 4.4), leniently.

Octets stay as they are: encoded words are not decoded, 8-bit octets are kept. Groups, comments, source
routes and addresses without a domain are understood; what makes no sense is skipped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MISSING_DOMAIN = b"MISSING_DOMAIN"
MISSING_MAILBOX = b"MISSING_MAILBOX"
MAX_ADDRESSES = 2000
MAX_OCTETS = 65_536
_MAX_COMMENT_DEPTH = 20

_ATOM = rb'[^\s\x00()<>@,;:\\"\[\]]+'
_SIMPLE = re.compile(
    rb'\s*(?:(?:(?:"([^"\\]*)"|('
    + _ATOM
    + rb"(?: "
    + _ATOM
    + rb")*))\s*)?<("
    + _ATOM
    + rb")@("
    + _ATOM
    + rb")>"
    rb"|(" + _ATOM + rb")@(" + _ATOM + rb"))\s*(?:,|\Z)"
)
_TOKEN = re.compile(
    rb'([\s\x00]*)(?:"([^"\\]*(?:\\.[^"\\]*)*)\\?"?|([<>@,;:()])|(\[[^\]]*\]?|[^\s\x00()<>@,;:"\[]+))',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class HeaderAddress(NamedTuple):
    """An address structure of ENVELOPE (RFC 3501, section 7.4.2): name, source route, mailbox, host.

    Without host it opens a group (whose name is `mailbox`) or, without mailbox too, closes one.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


GROUP_END = HeaderAddress(None, None, None, None)


def parse_address_list(value: bytes, octets: int = MAX_OCTETS) -> list[HeaderAddress]:
    """Read the unfolded value of From, To and the like, at most 2,000 addresses.

    Of a value that is longer than `octets`, the addresses that end before that are read.
    """
    is_cut = len(value) > octets
    value = value[:octets]
    found: list[HeaderAddress] = []
    position, end = 0, len(value)
    while position < end and len(found) < MAX_ADDRESSES:
        match = _SIMPLE.match(value, position)
        if match is None or (is_cut and match.end() == end):
            return found + _parse_any(value[position:], MAX_ADDRESSES - len(found), is_cut)
        quoted, words, mailbox, host, bare_mailbox, bare_host = match.groups()
        name = quoted if words is None else words
        found.append(HeaderAddress(name or None, None, mailbox or bare_mailbox, host or bare_host))
        position = match.end()
    return found


class _Token(NamedTuple):
    kind: str  # "word", "quoted", "special" or "comment"
    text: bytes
    spaced: bool  # white space or a comment stands before it


def _tokens(value: bytes) -> Iterator[_Token]:
    position, commented = 0, False
    while match := _TOKEN.match(value, position):
        space, quoted, special, word = match.groups()
        position = match.end()
        spaced = commented or bool(space)
        commented = False
        if word is not None:
            yield _Token("word", word, spaced)
        elif special is None:
            yield _Token("quoted", _unescaped(quoted), spaced)
        elif special == b"(":
            start, position = position, _comment_end(value, position)
            commented = True
            yield _Token("comment", _unescaped(value[start:position].removesuffix(b")")), spaced)
        else:
            yield _Token("special", special, spaced)


def _comment_end(value: bytes, position: int) -> int:
    """Where the comment that was opened just before `position` is over (RFC 5322, section 3.2.2)."""
    depth = 1
    for match in _COMMENT_MARK.finditer(value, position):
        if match[0] in b"()":
            depth += 1 if match[0] == b"(" and depth < _MAX_COMMENT_DEPTH else -1
        if not depth:
            return match.end()
    return len(value)


def _unescaped(text: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", text) if b"\\" in text else text


@dataclass(slots=True)
class _Item:
    """The tokens of one address: what stands before the angle brackets, what in them, the last comment."""

    phrase: list[_Token] = field(default_factory=list)
    angle: list[_Token] | None = None
    closed: bool = False
    route: bytes | None = None
    comment: bytes | None = None

    def takes(self, token: _Token) -> bool:
        """Add a token; False: it is a separator that ends this address."""
        inside = self.angle if self.angle is not None and not self.closed else None
        if token.kind == "comment":
            self.comment = token.text
        elif token.kind != "special" or token.text == b"@":
            if not (self.closed and self.phrase):
                (self.phrase if inside is None else inside).append(token)
        elif token.text == b"<":
            self.angle = [] if self.angle is None else self.angle
        elif token.text == b">":
            self.closed = True
        elif token.text in b",:" and inside and inside[0].text == b"@" and self.route is None:
            if token.text == b",":
                inside.append(token)
            else:
                self.route, self.angle = _glued(inside), []
        else:
            return token.text == b")"
        return True

    def address(self) -> HeaderAddress | None:
        """The address that the tokens make; None if there are none."""
        if self.angle is None:
            words, mailbox, host = _split(self.phrase)
            return HeaderAddress(words or self.comment, None, mailbox, host) if self.phrase else None
        name = _spaced(self.phrase) or self.comment
        return HeaderAddress(name or None, self.route, *_split(self.angle)[1:])


def _split(tokens: list[_Token]) -> tuple[bytes | None, bytes, bytes]:
    """Words before the address, its mailbox, its host."""
    at = next((index for index in range(len(tokens) - 1, -1, -1) if tokens[index].kind == "special"), None)
    if at is None:
        if len(tokens) == 1:
            return None, tokens[0].text or MISSING_MAILBOX, MISSING_DOMAIN
        return _spaced(tokens), MISSING_MAILBOX, MISSING_DOMAIN
    first = max(at - 1, 0)
    while first > 0 and _belong_together(tokens[first - 1], tokens[first]):
        first -= 1
    local, host = _glued(tokens[first:at]), _domain(tokens[at + 1 :])
    return _spaced(tokens[:first]) or None, local or MISSING_MAILBOX, host or MISSING_DOMAIN


def _belong_together(left: _Token, right: _Token) -> bool:
    """RFC 5322, section 4.4: the obsolete forms may have white space and comments around their dots."""
    return not right.spaced or left.text.endswith(b".") or right.text.startswith(b".")


def _domain(tokens: list[_Token]) -> bytes:
    """The domain that the tokens begin with; words behind it are no part of it (RFC 5322, section 3.4.1)."""
    if not tokens or tokens[0].text.startswith(b"["):
        return tokens[0].text if tokens else b""
    end = 1
    while end < len(tokens) and tokens[end].kind == "word" and _belong_together(tokens[end - 1], tokens[end]):
        end += 1
    return _glued(tokens[:end])


def _glued(tokens: list[_Token]) -> bytes:
    return b"".join(token.text for token in tokens)


def _spaced(tokens: list[_Token]) -> bytes:
    return b"".join(
        b" " + token.text if token.spaced and index else token.text for index, token in enumerate(tokens)
    )


def _parse_any(value: bytes, limit: int, is_cut: bool) -> list[HeaderAddress]:
    """Read addresses of any form; the last address of a value that `is_cut` may be half an address."""
    found: list[HeaderAddress] = []
    item, in_group = _Item(), False
    for token in _tokens(value):
        if item.takes(token):
            continue
        if token.text == b":" and not in_group and item.angle is None:
            found.append(HeaderAddress(None, None, _spaced(item.phrase), None))
            item, in_group = _Item(), True
            continue
        found.extend(filter(None, [item.address()]))
        item = _Item()
        if token.text == b";" and in_group:
            found.append(GROUP_END)
            in_group = False
        if len(found) >= limit:
            break
    if not is_cut:
        found.extend(filter(None, [item.address()]))
    return [*found, GROUP_END] if in_group else found
