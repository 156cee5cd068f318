"""Commands for the connection itself: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, and IDLE."""

from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.commands.command import Command, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import nstring, parenthesised, space, string
from mailyard.imap.states import AFTER_LOGIN, ANY_STATE, BEFORE_LOGIN, State

MAX_ID_FIELDS = 30  # RFC 2971, section 3.3


@dataclass(frozen=True, slots=True)
class Capability(Command):
    """CAPABILITY (RFC 3501, section 6.1.1)."""

    verb: ClassVar[str] = "CAPABILITY"
    states: ClassVar[frozenset[State]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """NOOP (section 6.1.2)."""

    verb: ClassVar[str] = "NOOP"
    states: ClassVar[frozenset[State]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class Logout(Command):
    """LOGOUT (section 6.1.3)."""

    verb: ClassVar[str] = "LOGOUT"
    states: ClassVar[frozenset[State]] = ANY_STATE


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """STARTTLS (section 6.2.1)."""

    verb: ClassVar[str] = "STARTTLS"
    states: ClassVar[frozenset[State]] = BEFORE_LOGIN


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """IDLE (RFC 2177); ends with the line DONE."""

    verb: ClassVar[str] = "IDLE"
    states: ClassVar[frozenset[State]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class Id(Command):
    """ID (RFC 2971): what the client says of itself; None for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...] | None

    verb: ClassVar[str] = "ID"
    states: ClassVar[frozenset[State]] = ANY_STATE


def _id(cursor: Cursor) -> Id:
    """ABNF: id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)."""
    space(cursor)
    if not cursor.sees(b"("):
        if nstring(cursor) is not None:
            raise CommandSyntaxError("Expected a parenthesised list or NIL")
        return Id(None)
    fields = parenthesised(cursor, _id_field)
    if len(fields) > MAX_ID_FIELDS:
        raise CommandSyntaxError("Too many ID fields")
    return Id(fields)


def _id_field(cursor: Cursor) -> tuple[bytes, bytes | None]:
    name = string(cursor)
    space(cursor)
    return name, nstring(cursor)


PARSERS: Parsers = {
    b"CAPABILITY": lambda _: Capability(),
    b"NOOP": lambda _: Noop(),
    b"LOGOUT": lambda _: Logout(),
    b"STARTTLS": lambda _: StartTls(),
    b"IDLE": lambda _: Idle(),
    b"ID": _id,
}
