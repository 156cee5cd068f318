"""Address lists of header fields (RFC 5322, section 3.4, and the obsolete forms of section 4.4), leniently.

Octets stay as they are: encoded words are not decoded, 8-bit octets are kept. Groups, comments, source routes and
addresses without a domain are understood. No address is lost in a malformed list: where a comma, a quote or a bracket
is missing, each address that a mail reader could show is an address here, or stands in the name of one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from mailyard.message.fields import unescaped

MISSING_DOMAIN = b"MISSING_DOMAIN"
MISSING_MAILBOX = b"MISSING_MAILBOX"
MAX_ADDRESSES = 2000
MAX_OCTETS = 65_536

_ATOM = rb'[^\s\x00()<>@,;:\\"\[\]]+'
_SIMPLE = re.compile(
    rb'\s*(?:(?:(?:"([^"\\]*)"|(%b(?: %b)*))\s*)?<(%b)@(%b)>|(%b)@(%b))\s*(?:,|\Z)' % ((_ATOM,) * 6)
)
_TOKEN = re.compile(
    rb'([\s\x00]*+)(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([<>@,;:()"])'
    rb'|(\[[^\s\x00()<>@,;"\[\]]*+\]|\[|[^\s\x00()<>@,;:"\[]++))',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"[()]|\\.", re.DOTALL)
_WORDS = frozenset(("word", "quoted"))
_ROUTE = re.compile(rb"@[^@,]*(?:,@[^@,]*)*")


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
    kind: str  # "word", "quoted", "at", "special" or "comment"
    text: bytes
    spaced: bool  # white space or a comment stands before it


def _tokens(value: bytes, is_cut: bool) -> Iterator[_Token]:
    """The tokens of a value. A quoted string or comment without an end hides nothing, unless the value `is_cut` in it."""
    position, commented = 0, False
    while match := _TOKEN.match(value, position):
        space, quoted, special, word = match.groups()
        position = match.end()
        spaced = commented or bool(space)
        commented = False
        if word is not None:
            yield _Token("word", word, spaced)
        elif quoted is not None:
            yield _Token("quoted", unescaped(quoted), spaced)
        elif special == b"(" and (end := comment_end(value, position)):
            yield _Token("comment", unescaped(value[position : end - 1]), spaced)
            position, commented = end, True
        elif special in b'()"':
            if special != b")":
                if is_cut:
                    return
                value = _without(value, position, b'"' if special == b'"' else b"()")
            commented = True
        else:
            yield _Token("at" if special == b"@" else "special", special, spaced)


def _without(value: bytes, position: int, marks: bytes) -> bytes:
    """The value with spaces for these octets from `position` on."""
    return value[:position] + value[position:].translate(bytes.maketrans(marks, b" " * len(marks)))


def comment_end(value: bytes, position: int) -> int:
    """Where the comment that was opened just before `position` is over (RFC 5322, section 3.2.2); 0: it has no end."""
    depth = 1
    for match in _COMMENT_MARK.finditer(value, position):
        if match[0] in b"()":
            depth += 1 if match[0] == b"(" else -1
        if not depth:
            return match.end()
    return 0


@dataclass(slots=True)
class _Item:
    """What stands between two separators: the tokens before the angle brackets, those in them, the comments.

    `follows`: an address stands before it, and no separator.
    """

    follows: bool = False
    phrase: list[_Token] = field(default_factory=list)
    angle: list[_Token] | None = None
    closed: bool = False
    route: bytes | None = None
    comments: list[bytes] = field(default_factory=list)

    @property
    def has_address(self) -> bool:
        return self.angle is not None or any(token.kind == "at" for token in self.phrase)

    def is_over_before(self, token: _Token) -> bool:
        """Whether the token belongs to another address although no separator stands before it."""
        if token.kind == "comment" or (token.kind == "special" and token.text != b"<"):
            return False
        return self.closed or (token.text == b"<" and any(each.kind == "at" for each in self.angle or ()))

    def takes(self, token: _Token) -> bool:
        """Add a token; False: it is a separator that ends this item."""
        inside = None if self.closed else self.angle
        if token.kind == "comment":
            self.comments.append(token.text)
        elif token.kind != "special":
            (self.phrase if inside is None else inside).append(token)
        elif token.text == b"<":
            self.phrase += [each._replace(spaced=True) for each in self.angle or ()]
            self.angle = []
        elif token.text == b">":
            self.closed = True
        elif token.text == b"," and inside and inside[0].kind == "at" and self.route is None:
            inside.append(token)
        elif token.text == b":" and inside and self.route is None and _ROUTE.fullmatch(_glued(inside)):
            self.route, self.angle = _glued(inside), []
        else:
            return False
        return True

    def addresses(self) -> Iterator[HeaderAddress]:
        """The addresses that the tokens make."""
        if self.angle is None and not self.phrase:
            return
        name = _spaced(self.phrase) if self.angle is not None else b""
        route, comment = self.route, b" ".join(self.comments)
        for words, mailbox, host in _split(self.phrase if self.angle is None else self.angle):
            yield HeaderAddress(name or words or comment or None, route, mailbox, host)
            name, route, comment = b"", None, b""


def _split(tokens: list[_Token]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """For each address in the tokens: the words before it, its mailbox, its host."""
    position, end = 0, len(tokens)
    at = _at(tokens, 0)
    if at == end:
        if end == 1:
            yield b"", tokens[0].text or MISSING_MAILBOX, MISSING_DOMAIN
        else:
            yield _spaced(tokens), MISSING_MAILBOX, MISSING_DOMAIN
    while at < end:
        first = at
        while first > position and (first == at or _belong_together(tokens[first - 1], tokens[first])):
            first -= 1
        behind = _domain_end(tokens, at + 1)
        while behind < end and tokens[behind].kind == "at" and not tokens[behind].spaced:
            at, behind = behind, _domain_end(tokens, behind + 1)
        local, host = _glued(tokens[first:at]), _glued(tokens[at + 1 : behind])
        words = [token for token in tokens[position:first] if token.kind in _WORDS]
        yield _spaced(words), local or MISSING_MAILBOX, host or MISSING_DOMAIN
        position, at = behind, _at(tokens, behind)


def _at(tokens: list[_Token], start: int) -> int:
    """The index of the next @, or how many tokens there are."""
    return next((index for index in range(start, len(tokens)) if tokens[index].kind == "at"), len(tokens))


def _belong_together(left: _Token, right: _Token) -> bool:
    """RFC 5322, section 4.4: the obsolete forms may have white space and comments around their dots."""
    if left.kind not in _WORDS or right.kind not in _WORDS:
        return False
    is_one_word = not right.spaced and left.kind == right.kind == "word"
    return is_one_word or left.text.endswith(b".") or right.text.startswith(b".")


def _domain_end(tokens: list[_Token], start: int) -> int:
    """Where the domain ends; words behind it are no part of it (RFC 5322, section 3.4.1)."""
    end = start
    while end < len(tokens) and tokens[end].kind in _WORDS:
        token = tokens[end]
        if end > start:
            begins_address = token.spaced and end + 1 < len(tokens) and tokens[end + 1].kind == "at"
            if begins_address or token.kind != "word" or not _belong_together(tokens[end - 1], token):
                break
        end += 1
        if token.text.startswith(b"[") and token.text.endswith(b"]"):
            break
    return end


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
    for token in _tokens(value, is_cut):
        if item.is_over_before(token):
            _add(found, item, limit)
            item = _Item(follows=True)
        if item.takes(token):
            continue
        if token.text == b":" and not item.has_address:
            found += [GROUP_END] * in_group  # IMAP knows no groups in groups
            found.append(HeaderAddress(None, None, _spaced(item.phrase), None))
            in_group = True
        else:
            _add(found, item, limit)
        item = _Item()
        if token.text == b";" and in_group:
            found.append(GROUP_END)
            in_group = False
        if len(found) >= limit:
            break
    _add(found, item, limit, is_cut=is_cut)
    return [*found, GROUP_END] if in_group else found


def _add(found: list[HeaderAddress], item: _Item, limit: int, *, is_cut: bool = False) -> None:
    """Add the addresses of an item. Text behind an address in brackets that has no name is its name."""
    if is_cut:
        found.extend(list(item.addresses())[:-1][: max(limit - len(found), 0)])
    elif item.has_address or not item.follows:
        found.extend(islice(item.addresses(), max(limit - len(found), 0)))
    elif found and found[-1].name is None and found[-1].host is not None:
        found[-1] = found[-1]._replace(name=_spaced(item.phrase) or None)
