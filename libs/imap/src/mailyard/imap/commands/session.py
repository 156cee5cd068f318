"""Commands for the connection itself: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, and IDLE."""

from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import nstring, parenthesised, space, string
from mailyard.imap.states import AFTER_LOGIN, ANY_STATE, BEFORE_LOGIN, SessionState

MAX_ID_FIELDS = 30  # RFC 2971, section 3.3


@dataclass(frozen=True, slots=True)
class CapabilityCommand(ImapCommand):
    """CAPABILITY (RFC 3501, section 6.1.1)."""

    verb: ClassVar[str] = "CAPABILITY"
    states: ClassVar[frozenset[SessionState]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class NoopCommand(ImapCommand):
    """NOOP (section 6.1.2)."""

    verb: ClassVar[str] = "NOOP"
    states: ClassVar[frozenset[SessionState]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class LogoutCommand(ImapCommand):
    """LOGOUT (section 6.1.3)."""

    verb: ClassVar[str] = "LOGOUT"
    states: ClassVar[frozenset[SessionState]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class StartTlsCommand(ImapCommand):
    """STARTTLS (section 6.2.1)."""

    verb: ClassVar[str] = "STARTTLS"
    states: ClassVar[frozenset[SessionState]] = BEFORE_LOGIN


@dataclass(frozen=True, slots=True)
class IdleCommand(ImapCommand):
    """IDLE (RFC 2177); ends with the line DONE."""

    verb: ClassVar[str] = "IDLE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class IdCommand(ImapCommand):
    """ID (RFC 2971): fields that describe the client; None for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...] | None

    verb: ClassVar[str] = "ID"
    states: ClassVar[frozenset[SessionState]] = ANY_STATE


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
