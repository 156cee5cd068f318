"""Parse the mailboxes of an originator field strictly: a value that readers could understand differently is refused.

RFC 5322 section 3.4: `mailbox-list = mailbox *("," mailbox)`, with the UTF-8 of RFC 6532. Refused, because clients
differ about them: groups, source routes, comments within an address, text after one, encoded words within one, and
addresses in display names or comments that are not in quotes.
"""

import re

from mailyard.message.address import Address, AddressError
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import unfold

MAX_MAILBOXES = 20
MAX_OCTETS = 8192
"""Octets of a value that are read: the work is linear, and the event loop waits for it."""
_TOKEN = re.compile(
    rb'(?P<space>[ \t]+)|(?P<comment>\()|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[<>,@:;)\[\]\\"])|(?P<word>[^ \t()<>,@:;\[\]\\"]+)',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"\\.|[()]", re.DOTALL)
_LITERAL = re.compile(rb"[A-Za-z0-9.:-]*\]")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TEXT_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDRESS_IN_TEXT = re.compile(r"<[^<>]*@[^<>]*>")


class AuthorFieldError(ValueError):
    """The value is not an unambiguous list of mailboxes; the text says why."""


def parse_mailboxes(value: bytes) -> list[Address]:
    """Read the value of From, Sender, Resent-From or Resent-Sender.

    Raises:
        MailboxError: it is empty, malformed or ambiguous, or longer than the limits.

    """
    if len(value) > MAX_OCTETS:
        raise AuthorFieldError(f"it is longer than {MAX_OCTETS} octets")
    octets = unfold(value)
    if _CONTROLS.search(octets):
        raise AuthorFieldError("it holds control characters")
    parts = _split(octets)
    if len(parts) > MAX_MAILBOXES:
        raise AuthorFieldError(f"it holds more than {MAX_MAILBOXES} addresses")
    return [_mailbox(part) for part in parts]


_Token = tuple[str, bytes]


def _split(octets: bytes) -> list[list[_Token]]:
    """Split at commas outside quotes, comments and angle brackets."""
    parts: list[list[_Token]] = [[]]
    position = 0
    while position < len(octets):
        match = _TOKEN.match(octets, position)
        if match is None:
            raise AuthorFieldError("it holds characters that no address has")
        kind, text = str(match.lastgroup), match[0]
        position = match.end()
        if kind == "comment":
            end = _comment_end(octets, position)
            text, position = octets[position : end - 1], end
        elif text == b"[":
            literal = _LITERAL.match(octets, position)
            if literal is not None:
                kind, text, position = "literal", text + literal[0], literal.end()
        elif text == b'"':
            raise AuthorFieldError("a quoted string does not end")
        if text == b"," and kind == "mark":
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return parts


def _comment_end(octets: bytes, position: int) -> int:
    depth = 1
    for match in _COMMENT_MARK.finditer(octets, position):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise AuthorFieldError("a comment does not end")


def _mailbox(tokens: list[_Token]) -> Address:
    """Parse mailbox = name-addr / addr-spec; comments may be before and after it, as old mail programs write names."""
    for kind, text in tokens:
        if kind == "comment":
            _check_text(text)
            if b"@" in text or b"<" in text:
                raise AuthorFieldError("a comment holds an address")
    tokens = _trimmed(tokens)
    marks = [text for kind, text in tokens if kind == "mark"]
    if any(mark in (b":", b";") for mark in marks):
        raise AuthorFieldError("it holds a group or a source route")
    if b"<" not in marks and b">" not in marks:
        return _address(tokens)
    if marks.count(b"<") != 1 or tokens[-1] != ("mark", b">") or marks.count(b">") != 1:
        raise AuthorFieldError("angle brackets do not stand around one address at the end")
    opening = tokens.index(("mark", b"<"))
    address = _address(_trimmed(tokens[opening + 1 : -1], comments=False))
    _check_name(tokens[:opening], address)
    return address


def _trimmed(tokens: list[_Token], *, comments: bool = True) -> list[_Token]:
    skipped = {"space", "comment"} if comments else {"space"}
    first, last = 0, len(tokens)
    while first < last and tokens[first][0] in skipped:
        first += 1
    while last > first and tokens[last - 1][0] in skipped:
        last -= 1
    return tokens[first:last]


def _address(tokens: list[_Token]) -> Address:
    """Parse addr-spec = local-part "@" domain, without white space or comments inside."""
    kinds = [kind for kind, _ in tokens]
    texts = [text for _, text in tokens]
    if not tokens:
        raise AuthorFieldError("it holds no address")
    if (
        len(tokens) != 3
        or texts[1] != b"@"
        or kinds[0] not in {"word", "quoted"}
        or kinds[2] not in {"word", "literal"}
    ):
        raise AuthorFieldError("it holds no address of the form name@domain")
    if b"=?" in texts[0] or b"=?" in texts[2]:
        raise AuthorFieldError("an address holds an encoded word")
    try:
        return Address.parse(b"".join(texts).decode())
    except UnicodeDecodeError:
        raise AuthorFieldError("an address is not UTF-8") from None
    except AddressError as error:
        raise AuthorFieldError(str(error)) from None


def _check_name(tokens: list[_Token], address: Address) -> None:
    """Refuse a display name without quotes that holds another address: some readers take it for the author."""
    unquoted = b"".join(text for kind, text in tokens if kind not in {"quoted", "comment"})
    _check_text(b"".join(text for kind, text in tokens if kind != "comment"))
    if b"@" not in unquoted:
        return
    named = _trimmed(tokens)
    if any(kind == "quoted" for kind, _ in named) or _address(named).key != address.key:
        raise AuthorFieldError("a display name holds another address: put the name in quotes")


def _check_text(octets: bytes) -> None:
    """Refuse encoded words that hold controls or addresses, which only some readers decode."""
    text = decode_words(octets)
    if b"=?" in octets and (_TEXT_CONTROLS.search(text) or _ADDRESS_IN_TEXT.search(text)):
        raise AuthorFieldError("an encoded word hides control characters or an address")
