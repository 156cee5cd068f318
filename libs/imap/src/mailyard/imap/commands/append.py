"""APPEND up to the literal that holds the message (RFC 3501, section 6.3.11; LITERAL+: RFC 7888)."""

from dataclasses import dataclass
from datetime import datetime

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.dates import date_time
from mailyard.imap.grammar.flags import flag_list
from mailyard.imap.grammar.names import mailbox
from mailyard.imap.grammar.syntax import space
from mailyard.imap.states import AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class AppendCommand(ImapCommand, verb="APPEND", states=AFTER_LOGIN):
    """APPEND without its message: mailbox, flags and INTERNALDATE."""

    mailbox: str
    flags: frozenset[str] = frozenset()
    internal_date: datetime | None = None


def append_head(cursor: Cursor) -> AppendCommand | None:
    """ABNF: append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal.

    The octets end where a literal is announced. Return None when that literal is the name of the mailbox.
    """
    space(cursor)
    if cursor.at_end:
        return None
    name = mailbox(cursor)
    space(cursor)
    flags: frozenset[str] = frozenset()
    if cursor.sees(b"("):
        flags = flag_list(cursor)
        space(cursor)
    moment = None
    if cursor.sees(b'"'):
        moment = date_time(cursor)
        space(cursor)
    if not cursor.at_end:
        raise CommandSyntaxError("Expected the message as a literal")
    return AppendCommand(name, flags, moment)


def _without_message(_: Cursor) -> AppendCommand:
    raise CommandSyntaxError("Expected the message as a literal")


PARSERS: Parsers = {b"APPEND": _without_message}
