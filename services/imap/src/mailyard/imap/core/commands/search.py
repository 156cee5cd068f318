"""SEARCH and UID SEARCH (RFC 3501, section 6.4.4)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.core import flags
from mailyard.imap.core.commands.command import Command, Parsers, uid_prefix
from mailyard.imap.core.commands.searchencoding import encode_key
from mailyard.imap.core.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.core.dates import imap_date
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
    Not,
    Numbered,
    Or,
    Relation,
    SearchKey,
    Sent,
    Smaller,
    WithUid,
    leaves,
)
from mailyard.imap.core.sequences import sequence_set
from mailyard.imap.core.syntax import astring, number, space

_CHARSETS = {
    "us-ascii": "us-ascii",
    "utf-8": "utf-8",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}
_BADCHARSET = f"BADCHARSET ({' '.join(name.upper() for name in _CHARSETS)})"
_SET_AHEAD = re.compile(rb"(?=[\d*])")
_KEY_NAME = re.compile(rb"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Search(Command):
    """SEARCH: all the keys, joined; strings are decoded."""

    keys: tuple[SearchKey, ...]
    by_uid: bool = False

    verb: ClassVar[str] = "SEARCH"

    @property
    def holds_expunges(self) -> bool:
        """SEARCH does, UID SEARCH does not."""
        return not self.by_uid

    @property
    def takes_news_first(self) -> bool:
        """With UIDs, yes, unless there is a message number among the keys."""
        return self.by_uid and not any(isinstance(key, Numbered) for key in leaves(self.keys))

    def encode(self) -> bytes:
        """The command, its strings in UTF-8."""
        keys = b" ".join(map(encode_key, self.keys))
        return uid_prefix(self.by_uid) + b"SEARCH CHARSET UTF-8 " + keys


class _Keys:
    """Parses search keys in one charset, counting them."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self._cursor = cursor
        self._charset = charset
        self._count = 0

    def several(self) -> tuple[SearchKey, ...]:
        """search-key *(SP search-key)."""
        keys = [self.key()]
        while self._cursor.skip(b" "):
            keys.append(self.key())
        return tuple(keys)

    def key(self) -> SearchKey:
        """One search-key."""
        self._count += 1
        if self._count > self._cursor.limits.keys:
            raise CommandSyntaxError("Too many search keys")
        with self._cursor.nested():
            if self._cursor.skip(b"("):
                return self._group()
            if self._cursor.match(_SET_AHEAD):
                return Numbered(sequence_set(self._cursor))
            name = self._cursor.require(_KEY_NAME, "a search key").upper()
            if name not in _KEYS:
                raise CommandSyntaxError(f"There is no search key {name.decode('ascii')}")
            return _KEYS[name](self)

    def _group(self) -> SearchKey:
        keys = self.several()
        self._cursor.expect(b")", "a closing parenthesis")
        return keys[0] if len(keys) == 1 else And(keys)

    def argument(self) -> Cursor:
        """The cursor, behind the space that comes before an argument."""
        space(self._cursor)
        return self._cursor

    def text(self) -> str:
        """An astring argument, decoded."""
        octets = astring(self.argument())
        try:
            return octets.decode(self._charset)
        except UnicodeDecodeError as error:
            raise CommandSyntaxError("The search text is not in its charset") from error

    def field_name(self) -> str:
        """An astring argument that names a header field."""
        name = astring(self.argument())
        if not name.isascii():
            raise CommandSyntaxError("Expected the name of a header field")
        return name.decode("ascii").lower()

    def inner(self) -> SearchKey:
        """A search key as argument."""
        self.argument()
        return self.key()


_Production = Callable[[_Keys], SearchKey]


def _constant(key: SearchKey) -> _Production:
    return lambda _: key


def _field(name: str) -> _Production:
    return lambda keys: InHeader(name, keys.text())


def _arrived(relation: Relation) -> _Production:
    return lambda keys: Arrived(relation, imap_date(keys.argument()))


def _sent(relation: Relation) -> _Production:
    return lambda keys: Sent(relation, imap_date(keys.argument()))


_FLAG_KEYS = {
    b"ANSWERED": flags.ANSWERED,
    b"DELETED": flags.DELETED,
    b"DRAFT": flags.DRAFT,
    b"FLAGGED": flags.FLAGGED,
    b"SEEN": flags.SEEN,
}

_KEYS: dict[bytes, _Production] = {
    b"ALL": _constant(AllMessages()),
    b"NEW": _constant(IsNew()),
    b"OLD": _constant(IsRecent(False)),
    b"RECENT": _constant(IsRecent()),
    **{name: _constant(HasFlag(flag)) for name, flag in _FLAG_KEYS.items()},
    **{b"UN" + name: _constant(HasFlag(flag, False)) for name, flag in _FLAG_KEYS.items()},
    b"KEYWORD": lambda keys: HasFlag(flags.keyword(keys.argument())),
    b"UNKEYWORD": lambda keys: HasFlag(flags.keyword(keys.argument()), False),
    **{name.upper().encode("ascii"): _field(name) for name in ("bcc", "cc", "from", "subject", "to")},
    b"HEADER": lambda keys: InHeader(keys.field_name(), keys.text()),
    b"BODY": lambda keys: InBody(keys.text()),
    b"TEXT": lambda keys: InText(keys.text()),
    **{relation.value: _arrived(relation) for relation in Relation},
    **{b"SENT" + relation.value: _sent(relation) for relation in Relation},
    b"LARGER": lambda keys: Larger(number(keys.argument())),
    b"SMALLER": lambda keys: Smaller(number(keys.argument())),
    b"UID": lambda keys: WithUid(sequence_set(keys.argument())),
    b"NOT": lambda keys: Not(keys.inner()),
    b"OR": lambda keys: Or(keys.inner(), keys.inner()),
}


def _search(cursor: Cursor, *, by_uid: bool) -> Search:
    """ABNF: search = "SEARCH" [SP "CHARSET" SP astring] 1*(SP search-key).

    Without CHARSET the text is US-ASCII by the letter; UTF-8, which contains it, is taken too.
    """
    space(cursor)
    charset = "utf-8"
    if cursor.octets[cursor.position : cursor.position + 8].upper() == b"CHARSET ":
        cursor.position += 8
        charset = _codec(astring(cursor))
        space(cursor)
    return Search(_Keys(cursor, charset).several(), by_uid)


def _codec(name: bytes) -> str:
    codec = _CHARSETS.get(name.decode("ascii", "replace").lower())
    if codec is None:
        raise CommandRefused("The charset is not known here", _BADCHARSET)
    return codec


PARSERS: Parsers = {b"SEARCH": lambda cursor: _search(cursor, by_uid=False)}
UID_PARSERS: Parsers = {b"SEARCH": lambda cursor: _search(cursor, by_uid=True)}
