"""LIST and LSUB (RFC 3501, sections 6.3.8 and 6.3.9)."""

from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.commands.command import Command, Parsers
from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.grammar.names import InvalidMailboxName, decode_name
from mailyard.imap.grammar.syntax import astring, list_mailbox, space
from mailyard.imap.states import AFTER_LOGIN, State

_NO_NAME = "\x00"  # no mailbox name contains a control character


@dataclass(frozen=True, slots=True)
class ListCommand(Command):
    """A reference, and a pattern that is read as if it were written behind it."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class List(ListCommand):
    """LIST: mailboxes that exist."""

    verb: ClassVar[str] = "LIST"
    states: ClassVar[frozenset[State]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class Lsub(ListCommand):
    """LSUB: mailboxes that are subscribed."""

    verb: ClassVar[str] = "LSUB"
    states: ClassVar[frozenset[State]] = AFTER_LOGIN


def _arguments(cursor: Cursor) -> tuple[str, str]:
    space(cursor)
    reference = _name(astring(cursor))
    space(cursor)
    return reference, _name(list_mailbox(cursor))


def _name(octets: bytes) -> str:
    """The text of a reference or pattern; octets that no mailbox name can contain match nothing."""
    try:
        return decode_name(octets)
    except InvalidMailboxName:
        return _NO_NAME


PARSERS: Parsers = {
    b"LIST": lambda cursor: List(*_arguments(cursor)),
    b"LSUB": lambda cursor: Lsub(*_arguments(cursor)),
}
