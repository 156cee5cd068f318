"""Commands for the connection itself: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, and IDLE."""

from dataclasses import dataclass

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import nstring, parenthesised, space, string
from mailyard.imap.states import AFTER_LOGIN, ANY_STATE, BEFORE_LOGIN

MAX_ID_FIELDS = 30  # RFC 2971, section 3.3


@dataclass(frozen=True, slots=True)
class CapabilityCommand(ImapCommand, verb="CAPABILITY", states=ANY_STATE):
    """CAPABILITY (RFC 3501, section 6.1.1)."""


@dataclass(frozen=True, slots=True)
class NoopCommand(ImapCommand, verb="NOOP", states=ANY_STATE):
    """NOOP (section 6.1.2)."""


@dataclass(frozen=True, slots=True)
class LogoutCommand(ImapCommand, verb="LOGOUT", states=ANY_STATE):
    """LOGOUT (section 6.1.3)."""


@dataclass(frozen=True, slots=True)
class StartTlsCommand(ImapCommand, verb="STARTTLS", states=BEFORE_LOGIN):
    """STARTTLS (section 6.2.1)."""


@dataclass(frozen=True, slots=True)
class IdleCommand(ImapCommand, verb="IDLE", states=AFTER_LOGIN):
    """IDLE (RFC 2177); ends with the line DONE."""


@dataclass(frozen=True, slots=True)
class IdCommand(ImapCommand, verb="ID", states=ANY_STATE):
    """ID (RFC 2971): fields that describe the client; None for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...] | None


def _id(cursor: Cursor) -> IdCommand:
    """ABNF: id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)."""
    space(cursor)
    if not cursor.sees(b"("):
        if nstring(cursor) is not None:
            raise CommandSyntaxError("Expected a parenthesised list or NIL")
        return IdCommand(None)
    fields = parenthesised(cursor, _id_field)
    if len(fields) > MAX_ID_FIELDS:
        raise CommandSyntaxError("Too many ID fields")
    return IdCommand(fields)


def _id_field(cursor: Cursor) -> tuple[bytes, bytes | None]:
    name = string(cursor)
    space(cursor)
    return name, nstring(cursor)


PARSERS: Parsers = {
    b"CAPABILITY": lambda _: CapabilityCommand(),
    b"NOOP": lambda _: NoopCommand(),
    b"LOGOUT": lambda _: LogoutCommand(),
    b"STARTTLS": lambda _: StartTlsCommand(),
    b"IDLE": lambda _: IdleCommand(),
    b"ID": _id,
}
