"""Commands that name a mailbox: SELECT to UNSUBSCRIBE, STATUS, NAMESPACE, and commands that close the selected mailbox."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from mailyard.imap.commands.command import ImapCommand, Parser, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.names import mailbox
from mailyard.imap.grammar.syntax import atom, parenthesised, skip_spaces, space
from mailyard.imap.states import AFTER_LOGIN, MAILBOX_SELECTED, SessionState
from mailyard.imap.wellknown import SPECIAL_USES

_SPECIAL_USE = {use.lower().encode("ascii"): use for use in SPECIAL_USES}


@dataclass(frozen=True, slots=True)
class MailboxCommand(ImapCommand):
    """A command whose only argument is a mailbox name."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SelectCommand(MailboxCommand):
    """SELECT (RFC 3501, section 6.3.1)."""

    verb: ClassVar[str] = "SELECT"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class ExamineCommand(MailboxCommand):
    """EXAMINE (section 6.3.2): SELECT that changes nothing."""

    verb: ClassVar[str] = "EXAMINE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class CreateCommand(MailboxCommand):
    """CREATE (section 6.3.3), with the special use of the new mailbox (RFC 6154, section 3)."""

    special_use: str | None = None

    verb: ClassVar[str] = "CREATE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class DeleteCommand(MailboxCommand):
    """DELETE (section 6.3.4)."""

    verb: ClassVar[str] = "DELETE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class SubscribeCommand(MailboxCommand):
    """SUBSCRIBE (section 6.3.6)."""

    verb: ClassVar[str] = "SUBSCRIBE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class UnsubscribeCommand(MailboxCommand):
    """UNSUBSCRIBE (section 6.3.7)."""

    verb: ClassVar[str] = "UNSUBSCRIBE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class RenameCommand(ImapCommand):
    """RENAME (section 6.3.5)."""

    old: str
    new: str

    verb: ClassVar[str] = "RENAME"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


class StatusItem(Enum):
    """status-att (section 6.3.10)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"


@dataclass(frozen=True, slots=True)
class StatusCommand(ImapCommand):
    """STATUS (section 6.3.10)."""

    mailbox: str
    items: tuple[StatusItem, ...]

    verb: ClassVar[str] = "STATUS"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class NamespaceCommand(ImapCommand):
    """NAMESPACE (RFC 2342)."""

    verb: ClassVar[str] = "NAMESPACE"
    states: ClassVar[frozenset[SessionState]] = AFTER_LOGIN


@dataclass(frozen=True, slots=True)
class CheckCommand(ImapCommand):
    """CHECK (RFC 3501, section 6.4.1)."""

    verb: ClassVar[str] = "CHECK"
    states: ClassVar[frozenset[SessionState]] = MAILBOX_SELECTED


@dataclass(frozen=True, slots=True)
class CloseCommand(ImapCommand):
    """CLOSE (section 6.4.2): expunge the mailbox without EXPUNGE responses, and close it."""

    verb: ClassVar[str] = "CLOSE"
    states: ClassVar[frozenset[SessionState]] = MAILBOX_SELECTED


@dataclass(frozen=True, slots=True)
class UnselectCommand(ImapCommand):
    """UNSELECT (RFC 3691): close the mailbox without expunge."""

    verb: ClassVar[str] = "UNSELECT"
    states: ClassVar[frozenset[SessionState]] = MAILBOX_SELECTED


def _named(build: Callable[[str], MailboxCommand]) -> Parser:
    def parse(cursor: Cursor) -> MailboxCommand:
        space(cursor)
        return build(mailbox(cursor))

    return parse


def _create(cursor: Cursor) -> CreateCommand:
    """ABNF: create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr] ")" ")"]; at most one use."""
    space(cursor)
    name = mailbox(cursor)
    if not skip_spaces(cursor) or cursor.at_end:
        return CreateCommand(name)
    cursor.expect(b"(", "an opening parenthesis")
    if atom(cursor).upper() != b"USE":
        raise CommandSyntaxError("Expected USE")
    space(cursor)
    uses = parenthesised(cursor, _special_use)
    cursor.expect(b")", "a closing parenthesis")
    if len(uses) > 1:
        raise CommandSyntaxError("A mailbox has one special use at most")
    return CreateCommand(name, uses[0] if uses else None)


def _special_use(cursor: Cursor) -> str:
    cursor.expect(b"\\", "a special use such as \\Sent")
    use = _SPECIAL_USE.get(b"\\" + atom(cursor).lower())
    if use is None:
        raise CommandSyntaxError("There is no such special use")
    return use


def _rename(cursor: Cursor) -> RenameCommand:
    space(cursor)
    old = mailbox(cursor)
    space(cursor)
    return RenameCommand(old, mailbox(cursor))


def _status(cursor: Cursor) -> StatusCommand:
    space(cursor)
    name = mailbox(cursor)
    space(cursor)
    items = parenthesised(cursor, _status_item)
    if not items:
        raise CommandSyntaxError("Expected at least one status item")
    return StatusCommand(name, items)


def _status_item(cursor: Cursor) -> StatusItem:
    word = atom(cursor).upper()
    try:
        return StatusItem(word)
    except ValueError as error:
        raise CommandSyntaxError("There is no such status item") from error


PARSERS: Parsers = {
    b"SELECT": _named(SelectCommand),
    b"EXAMINE": _named(ExamineCommand),
    b"CREATE": _create,
    b"DELETE": _named(DeleteCommand),
    b"RENAME": _rename,
    b"SUBSCRIBE": _named(SubscribeCommand),
    b"UNSUBSCRIBE": _named(UnsubscribeCommand),
    b"STATUS": _status,
    b"NAMESPACE": lambda _: NamespaceCommand(),
    b"CHECK": lambda _: CheckCommand(),
    b"CLOSE": lambda _: CloseCommand(),
    b"UNSELECT": lambda _: UnselectCommand(),
}
