"""Encodes commands as a client sends them: the inverse of the parsers, for property tests."""

from collections.abc import Sequence
from datetime import date
from functools import singledispatch

from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.authentication import AuthenticateCommand, LoginCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.fetch import BodyItem, FetchCommand, FetchItem
from mailyard.imap.commands.listing import PatternCommand
from mailyard.imap.commands.mailboxes import CreateCommand, MailboxCommand, RenameCommand, StatusCommand
from mailyard.imap.commands.search import SearchCommand
from mailyard.imap.commands.session import IdCommand
from mailyard.imap.commands.store import StoreCommand
from mailyard.imap.commands.transfer import ExpungeCommand, TransferCommand
from mailyard.imap.grammar.dates import MONTHS, encode_date_time
from mailyard.imap.grammar.flags import encode_flags
from mailyard.imap.grammar.names import encode_mailbox, encode_name
from mailyard.imap.grammar.searchkeys import (
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
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.grammar.syntax import encode_astring, encode_string
from mailyard.imap.wellknown import SYSTEM_FLAGS, FlagChange

_SIGNS = {FlagChange.REPLACE: b"", FlagChange.ADD: b"+", FlagChange.REMOVE: b"-"}
_FIELD_KEYS = {"bcc", "cc", "from", "subject", "to"}


@singledispatch
def encode(command: ImapCommand) -> bytes:
    """Return the command without tag and CRLF."""
    return _verb(command)


def _verb(command: ImapCommand) -> bytes:
    uid = b"UID " if command.by_uid else b""
    return uid + command.verb.encode("ascii")


@encode.register
def _(command: IdCommand) -> bytes:
    if command.fields is None:
        return b"ID NIL"
    pairs = (encode_string(name) + b" " + encode_nstring(value) for name, value in command.fields)
    return b"ID (" + b" ".join(pairs) + b")"


def encode_nstring(octets: bytes | None) -> bytes:
    """Return octets as a string, None as NIL."""
    return b"NIL" if octets is None else encode_string(octets)


@encode.register
def _(command: LoginCommand) -> bytes:
    return b"LOGIN %b %b" % (encode_astring(command.username), encode_astring(command.password))


@encode.register
def _(command: AuthenticateCommand) -> bytes:
    response = b"" if command.initial_response is None else b" " + command.initial_response
    return b"AUTHENTICATE " + command.mechanism.encode("ascii") + response


@encode.register
def _(command: AppendCommand) -> bytes:
    """Up to the space before the literal."""
    words = [b"APPEND", encode_mailbox(command.mailbox)]
    if command.flags:
        words.append(encode_flags(command.flags))
    if command.internal_date:
        words.append(encode_date_time(command.internal_date))
    return b" ".join(words) + b" "


@encode.register
def _(command: MailboxCommand) -> bytes:
    return _verb(command) + b" " + encode_mailbox(command.mailbox)


@encode.register
def _(command: CreateCommand) -> bytes:
    use = f" (USE ({command.special_use}))" if command.special_use else ""
    return b"CREATE " + encode_mailbox(command.mailbox) + use.encode("ascii")


@encode.register
def _(command: RenameCommand) -> bytes:
    return b"RENAME %b %b" % (encode_mailbox(command.old), encode_mailbox(command.new))


@encode.register
def _(command: StatusCommand) -> bytes:
    items = b" ".join(item.value for item in command.items)
    return b"STATUS %b (%b)" % (encode_mailbox(command.mailbox), items)


@encode.register
def _(command: PatternCommand) -> bytes:
    words = (encode_string(encode_name(word)) for word in (command.reference, command.pattern))
    return _verb(command) + b" " + b" ".join(words)


@encode.register
def _(command: FetchCommand) -> bytes:
    items = b" ".join(map(_encode_item, command.items))
    return b"%b %b (%b)" % (_verb(command), encode_set(command.numbers), items)


def _encode_item(item: FetchItem) -> bytes:
    if not isinstance(item, BodyItem):
        return item.value
    partial = b"<%d.%d>" % (item.partial.start, item.partial.count) if item.partial else b""
    return (b"BODY.PEEK" if item.peek else b"BODY") + item.section.encode() + partial


@encode.register
def _(command: StoreCommand) -> bytes:
    item = _SIGNS[command.change] + (b"FLAGS.SILENT" if command.silent else b"FLAGS")
    return b" ".join((_verb(command), encode_set(command.numbers), item, encode_flags(command.flags)))


@encode.register
def _(command: TransferCommand) -> bytes:
    return b" ".join((_verb(command), encode_set(command.numbers), encode_mailbox(command.mailbox)))


@encode.register
def _(command: ExpungeCommand) -> bytes:
    return b"EXPUNGE" if command.uids is None else b"UID EXPUNGE " + encode_set(command.uids)


@encode.register
def _(command: SearchCommand) -> bytes:
    """With its strings in UTF-8."""
    return _verb(command) + b" CHARSET UTF-8 " + b" ".join(map(encode_key, command.keys))


def encode_set(numbers: SequenceSet) -> bytes:
    """Return a sequence set as the client writes it."""
    words = (
        f"{first or '*'}" if first == last else f"{first or '*'}:{last or '*'}"
        for first, last in numbers.ranges
    )
    return ",".join(words).encode("ascii")


def encode_date(day: date) -> bytes:
    """Return `day` as date-text."""
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04}".encode("ascii")


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
            return encode_set(numbers)
        case WithUid(uids):
            return b"UID " + encode_set(uids)


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
            if flag in SYSTEM_FLAGS:
                return un + flag[1:].upper().encode("ascii")
            return un + b"KEYWORD " + flag.encode("ascii")


def _encode_text(key: InHeader | InBody | InText) -> bytes:
    text = encode_string(key.text.encode("utf-8"))
    match key:
        case InHeader(field, _) if field in _FIELD_KEYS:
            return field.upper().encode("ascii") + b" " + text
        case InHeader(field, _):
            return b"HEADER " + encode_string(field.encode("ascii")) + b" " + text
        case InBody():
            return b"BODY " + text
        case InText():
            return b"TEXT " + text
