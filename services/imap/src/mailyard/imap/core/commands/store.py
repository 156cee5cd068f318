"""STORE and UID STORE (RFC 3501, section 6.4.6)."""

import re
from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.core.commands.command import Command, Parsers, uid_prefix
from mailyard.imap.core.cursor import CommandSyntaxError, Cursor
from mailyard.imap.core.flags import encode_flags, flag, flag_list, without_doubles
from mailyard.imap.core.sequences import SequenceSet, sequence_set
from mailyard.imap.core.syntax import skip_spaces, space
from mailyard.mailbox.model import FlagChange

_ITEM = re.compile(rb"([+-]?)FLAGS(\.SILENT)?", re.IGNORECASE)
_CHANGES = {b"": FlagChange.REPLACE, b"+": FlagChange.ADD, b"-": FlagChange.REMOVE}
_SIGNS = {change: sign for sign, change in _CHANGES.items()}


@dataclass(frozen=True, slots=True)
class Store(Command):
    """STORE: how to change which flags of which messages."""

    numbers: SequenceSet
    change: FlagChange
    flags: frozenset[str]
    silent: bool = False
    by_uid: bool = False

    verb: ClassVar[str] = "STORE"

    @property
    def uses_flags(self) -> bool:
        """Yes."""
        return True

    @property
    def holds_expunges(self) -> bool:
        """STORE does, UID STORE does not."""
        return not self.by_uid

    @property
    def takes_news_first(self) -> bool:
        """With UIDs, yes."""
        return self.by_uid

    def encode(self) -> bytes:
        """The command with its flags in parentheses."""
        item = _SIGNS[self.change] + (b"FLAGS.SILENT" if self.silent else b"FLAGS")
        words = (self.numbers.encode(), item, encode_flags(self.flags))
        return uid_prefix(self.by_uid) + b"STORE " + b" ".join(words)


def _store(cursor: Cursor, *, by_uid: bool) -> Store:
    """ABNF: store = "STORE" SP sequence-set SP ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))."""
    space(cursor)
    numbers = sequence_set(cursor)
    space(cursor)
    item = cursor.match(_ITEM)
    if item is None:
        raise CommandSyntaxError("Expected FLAGS, +FLAGS or -FLAGS")
    space(cursor)
    flags = flag_list(cursor) if cursor.sees(b"(") else _bare_flags(cursor)
    return Store(numbers, _CHANGES[item[1]], flags, item[2] is not None, by_uid)


def _bare_flags(cursor: Cursor) -> frozenset[str]:
    flags = [flag(cursor)]
    while skip_spaces(cursor) and not cursor.at_end:
        flags.append(flag(cursor))
        if len(flags) > cursor.limits.flags:
            raise CommandSyntaxError("The list is too long")
    return without_doubles(flags)


PARSERS: Parsers = {b"STORE": lambda cursor: _store(cursor, by_uid=False)}
UID_PARSERS: Parsers = {b"STORE": lambda cursor: _store(cursor, by_uid=True)}
