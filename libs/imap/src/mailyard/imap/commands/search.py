"""SEARCH and UID SEARCH (RFC 3501, section 6.4.4)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.grammar.dates import imap_date
from mailyard.imap.grammar.flags import searched_flag
from mailyard.imap.grammar.searchkeys import (
    AllMessages,
    Arrived,
    HasFlag,
    InBody,
    InHeader,
    InText,
    IsNew,
    IsRecent,
    Larger,
    Numbered,
    Relation,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
    all_of,
    either,
    leaves,
    negated,
)
from mailyard.imap.grammar.sequences import sequence_set
from mailyard.imap.grammar.syntax import astring, number64, skip_spaces, space
from mailyard.imap.states import MAILBOX_SELECTED
from mailyard.imap.wellknown import SYSTEM_FLAGS
from mailyard.message.charsets import decode_octets, is_known_charset

# A few of the charsets that are known, as RFC 3501, section 7.1 wants them in the response code.
_BADCHARSET = "BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252 WINDOWS-1258 KOI8-R)"
_SET_AHEAD = re.compile(rb"(?=[\d*])")
_KEY_NAME = re.compile(rb"[A-Za-z]+")
_CHARSET = re.compile(rb"CHARSET +", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SearchCommand(ImapCommand, verb="SEARCH", states=MAILBOX_SELECTED):
    """SEARCH: messages that match all keys; strings are decoded."""

    keys: tuple[SearchKey, ...]
    by_uid: bool = False

    @property
    def reads_flags(self) -> bool:
        """True: flags are search keys."""
        return True

    @property
    def defers_expunges(self) -> bool:
        """True for SEARCH, false for UID SEARCH."""
        return not self.by_uid

    @property
    def permits_updates_first(self) -> bool:
        """True for UID SEARCH without message numbers among its keys."""
        return self.by_uid and not any(isinstance(key, Numbered) for key in leaves(self.keys))


class _Kind(Enum):
    """Kind of a key that contains other keys."""

    GROUP = auto()
    NOT = auto()
    OR = auto()


@dataclass(slots=True)
class _OpenKeys:
    """A key that is not complete yet, and the keys read for it so far."""

    kind: _Kind
    keys: list[SearchKey] = field(default_factory=list)


class _Keys:
    """Parser of search keys in one charset; it counts the keys and does not call itself."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self._cursor = cursor
        self._charset = charset
        self._count = 0
        self._open = [_OpenKeys(_Kind.GROUP)]

    def parse(self) -> tuple[SearchKey, ...]:
        """Parse search-key *(SP search-key)."""
        while True:
            key = self._next()
            if key is not None and self._add(key):
                return tuple(self._open[0].keys)

    def _next(self) -> SearchKey | None:
        """Read a key that contains no others; return None where a key begins that does."""
        self._count += 1
        if self._count > self._cursor.limits.keys:
            raise CommandSyntaxError("Too many search keys")
        if self._cursor.skip(b"("):
            skip_spaces(self._cursor)
            self._open.append(_OpenKeys(_Kind.GROUP))
            return None
        if self._cursor.match(_SET_AHEAD):
            return Numbered(sequence_set(self._cursor))
        name = self._cursor.require(_KEY_NAME, "a search key").upper()
        if name in _NESTING:
            space(self._cursor)
            self._open.append(_OpenKeys(_NESTING[name]))
            return None
        if name not in _KEYS:
            raise CommandSyntaxError(f"There is no search key {name.decode('ascii')}")
        return _KEYS[name](self)

    def _add(self, key: SearchKey) -> bool:
        """Add a complete key to the key that contains it, and so on; return whether all keys are complete."""
        while True:
            outer = self._open[-1]
            outer.keys.append(key)
            if outer.kind is _Kind.OR and len(outer.keys) == 1:
                space(self._cursor)
                return False
            if outer.kind is _Kind.GROUP:
                if skip_spaces(self._cursor) and not self._cursor.at_end and not self._cursor.sees(b")"):
                    return False
                if len(self._open) == 1:
                    return True
                self._cursor.expect(b")", "a closing parenthesis")
            key = _joined(self._open.pop())

    def argument(self) -> Cursor:
        """Step over the space before an argument; return the cursor."""
        space(self._cursor)
        return self._cursor

    def text(self) -> str:
        """Read an astring argument; return it decoded."""
        return decode_octets(astring(self.argument()), self._charset)

    def field_name(self) -> str:
        """Read an astring argument that is the name of a header field."""
        name = astring(self.argument())
        if not name.isascii():
            raise CommandSyntaxError("Expected the name of a header field")
        return name.decode("ascii").lower()


def _joined(complete: _OpenKeys) -> SearchKey:
    match complete.kind:
        case _Kind.NOT:
            return negated(complete.keys[0])
        case _Kind.OR:
            return either(*complete.keys)
        case _Kind.GROUP:
            return all_of(complete.keys)


_Production = Callable[[_Keys], SearchKey]


def _constant(key: SearchKey) -> _Production:
    return lambda _: key


def _field(name: str) -> _Production:
    return lambda keys: InHeader(name, keys.text())


def _dated(kind: type[Arrived | Sent], relation: Relation) -> _Production:
    return lambda keys: kind(relation, imap_date(keys.argument()))


_FLAG_KEYS = {flag.removeprefix("\\").upper().encode("ascii"): flag for flag in SYSTEM_FLAGS}

_KEYS: dict[bytes, _Production] = {
    b"ALL": _constant(AllMessages()),
    b"NEW": _constant(IsNew()),
    b"OLD": _constant(IsRecent(False)),
    b"RECENT": _constant(IsRecent()),
    **{name: _constant(HasFlag(flag)) for name, flag in _FLAG_KEYS.items()},
    **{b"UN" + name: _constant(HasFlag(flag, False)) for name, flag in _FLAG_KEYS.items()},
    b"KEYWORD": lambda keys: HasFlag(searched_flag(keys.argument())),
    b"UNKEYWORD": lambda keys: HasFlag(searched_flag(keys.argument()), False),
    **{name.upper().encode("ascii"): _field(name) for name in ("bcc", "cc", "from", "subject", "to")},
    b"HEADER": lambda keys: InHeader(keys.field_name(), keys.text()),
    b"BODY": lambda keys: InBody(keys.text()),
    b"TEXT": lambda keys: InText(keys.text()),
    **{relation.value: _dated(Arrived, relation) for relation in Relation},
    **{b"SENT" + relation.value: _dated(Sent, relation) for relation in Relation},
    b"LARGER": lambda keys: Larger(number64(keys.argument())),
    b"SMALLER": lambda keys: Smaller(number64(keys.argument())),
    b"UID": lambda keys: WithUid(sequence_set(keys.argument())),
}
_NESTING = {b"NOT": _Kind.NOT, b"OR": _Kind.OR}


def _search(cursor: Cursor, *, by_uid: bool) -> SearchCommand:
    """ABNF: search = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key).

    Without CHARSET the text is US-ASCII by the RFC; UTF-8, which contains US-ASCII, is accepted too. Octets that are not valid
    in the charset are no error: they are decoded as in messages.
    """
    space(cursor)
    charset = "utf-8"
    if cursor.match(_CHARSET):
        charset = _known(astring(cursor))
        space(cursor)
    keys = _Keys(cursor, charset).parse()
    texts = {key.text for key in leaves(keys) if isinstance(key, InBody | InText)}
    if len(texts) > cursor.limits.texts:
        raise CommandRefused(f"A search looks for {cursor.limits.texts} texts in bodies at most", "LIMIT")
    return SearchCommand(keys, by_uid)


def _known(name: bytes) -> str:
    charset = name.decode("ascii", "replace")
    if not is_known_charset(charset):
        raise CommandRefused("The charset is not known here", _BADCHARSET)
    return charset


PARSERS: Parsers = {b"SEARCH": lambda cursor: _search(cursor, by_uid=False)}
UID_PARSERS: Parsers = {b"SEARCH": lambda cursor: _search(cursor, by_uid=True)}
