"""Search keys as a client writes them: the other direction of the parser."""

from collections.abc import Sequence

from mailyard.imap.core import flags
from mailyard.imap.core.dates import encode_date
from mailyard.imap.core.searchkeys import (
    AllMessages,
    And,
    Arrived,
    HasFlag,
    InBody,
    InHeader,
    InText,
    IsNew,
    IsRecent,
    Larger,
    Leaf,
    Not,
    Numbered,
    Or,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
)
from mailyard.imap.core.syntax import encode_string

_ADDRESSED = {"bcc", "cc", "from", "subject", "to"}


def encode_key(key: SearchKey) -> bytes:
    """`key` as a search-key; several keys in one stand in parentheses."""
    words: list[bytes] = []
    waiting: list[SearchKey | bytes] = [key]  # from the last to the first
    while waiting:
        match waiting.pop():
            case bytes(text):
                words.append(text)
            case Not(inner):
                waiting += (inner, b"NOT ")
            case Or(keys):
                waiting += _with(keys, b" ", b"OR " * (len(keys) - 1))
            case And(keys):
                waiting += (b")", *_with(keys, b" ", b"("))
            case leaf:
                words.append(_encode_leaf(leaf))
    return b"".join(words)


def _with(keys: Sequence[SearchKey], between: bytes, before: bytes) -> list[SearchKey | bytes]:
    """The keys from the last to the first, with what stands between them and before them."""
    parts: list[SearchKey | bytes] = []
    for each in reversed(keys):
        parts += (each, between)
    return [*parts[:-1], before]


def _encode_leaf(key: Leaf) -> bytes:
    match key:
        case AllMessages() | IsNew() | IsRecent() | HasFlag():
            return _encode_state(key)
        case Arrived(relation, day):
            return relation.value + b" " + encode_date(day)
        case Sent(relation, day):
            return b"SENT" + relation.value + b" " + encode_date(day)
        case InHeader() | InBody() | InText():
            return _encode_text(key)
        case Larger(octets):
            return b"LARGER %d" % octets
        case Smaller(octets):
            return b"SMALLER %d" % octets
        case Numbered(numbers):
            return numbers.encode()
        case WithUid(uids):
            return b"UID " + uids.encode()


def _encode_state(key: AllMessages | IsNew | IsRecent | HasFlag) -> bytes:
    match key:
        case AllMessages():
            return b"ALL"
        case IsNew():
            return b"NEW"
        case IsRecent(present):
            return b"RECENT" if present else b"OLD"
        case HasFlag(flag, present):
            un = b"" if present else b"UN"
            if flag in flags.SYSTEM_FLAGS:
                return un + flag[1:].upper().encode("ascii")
            return un + b"KEYWORD " + flag.encode("ascii")


def _encode_text(key: InHeader | InBody | InText) -> bytes:
    text = encode_string(key.text.encode("utf-8"))
    match key:
        case InHeader(field, _) if field in _ADDRESSED:
            return field.upper().encode("ascii") + b" " + text
        case InHeader(field, _):
            return b"HEADER " + encode_string(field.encode("ascii")) + b" " + text
        case InBody():
            return b"BODY " + text
        case InText():
            return b"TEXT " + text
