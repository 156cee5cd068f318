"""STORE and UID STORE (RFC 3501, section 6.4.6)."""

import re
from dataclasses import dataclass

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.flags import flag, flag_list, without_doubles
from mailyard.imap.grammar.sequences import SequenceSet, sequence_set
from mailyard.imap.grammar.syntax import skip_spaces, space
from mailyard.imap.states import MAILBOX_SELECTED
from mailyard.imap.wellknown import FlagChange

_ITEM = re.compile(rb"([+-]?)FLAGS(\.SILENT)?", re.IGNORECASE)
_CHANGES = {b"": FlagChange.REPLACE, b"+": FlagChange.ADD, b"-": FlagChange.REMOVE}


@dataclass(frozen=True, slots=True)
class StoreCommand(ImapCommand, verb="STORE", states=MAILBOX_SELECTED):
    """STORE: a change of the flags of messages."""

    numbers: SequenceSet
    change: FlagChange
    flags: frozenset[str]
    silent: bool = False
    by_uid: bool = False

    @property
    def reads_flags(self) -> bool:
        """True."""
        return True

    @property
    def defers_expunges(self) -> bool:
        """True for STORE, false for UID STORE."""
        return not self.by_uid


def _store(cursor: Cursor, *, by_uid: bool) -> StoreCommand:
    """ABNF: store = "STORE" SP sequence-set SP ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))."""
    space(cursor)
    numbers = sequence_set(cursor)
    space(cursor)
    item = cursor.match(_ITEM)
    if item is None:
        raise CommandSyntaxError("Expected FLAGS, +FLAGS or -FLAGS")
    space(cursor)
    flags = flag_list(cursor) if cursor.sees(b"(") else _bare_flags(cursor)
    return StoreCommand(numbers, _CHANGES[item[1]], flags, item[2] is not None, by_uid)


def _bare_flags(cursor: Cursor) -> frozenset[str]:
    flags = [flag(cursor)]
    while skip_spaces(cursor) and not cursor.at_end:
        flags.append(flag(cursor))
        if len(flags) > cursor.limits.flags:
            raise CommandSyntaxError("The list is too long")
    return without_doubles(flags)


PARSERS: Parsers = {b"STORE": lambda cursor: _store(cursor, by_uid=False)}
UID_PARSERS: Parsers = {b"STORE": lambda cursor: _store(cursor, by_uid=True)}
