"""Commands that name a mailbox: SELECT to UNSUBSCRIBE, STATUS, NAMESPACE, and commands that close the selected mailbox."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mailyard.imap.commands.command import ImapCommand, Parser, Parsers
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.names import mailbox
from mailyard.imap.grammar.syntax import atom, parenthesised, skip_spaces, space
from mailyard.imap.states import AFTER_LOGIN, MAILBOX_SELECTED
from mailyard.imap.wellknown import SPECIAL_USES

_SPECIAL_USE = {use.lower().encode("ascii"): use for use in SPECIAL_USES}


@dataclass(frozen=True, slots=True)
class MailboxCommand(ImapCommand):
    """A command whose only argument is a mailbox name."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SelectCommand(MailboxCommand, verb="SELECT", states=AFTER_LOGIN):
    """SELECT (RFC 3501, section 6.3.1)."""


@dataclass(frozen=True, slots=True)
class ExamineCommand(MailboxCommand, verb="EXAMINE", states=AFTER_LOGIN):
    """EXAMINE (section 6.3.2): SELECT that changes nothing."""


@dataclass(frozen=True, slots=True)
class CreateCommand(MailboxCommand, verb="CREATE", states=AFTER_LOGIN):
    """CREATE (section 6.3.3), with the special use of the new mailbox (RFC 6154, section 3)."""

    special_use: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteCommand(MailboxCommand, verb="DELETE", states=AFTER_LOGIN):
    """DELETE (section 6.3.4)."""


@dataclass(frozen=True, slots=True)
class SubscribeCommand(MailboxCommand, verb="SUBSCRIBE", states=AFTER_LOGIN):
    """SUBSCRIBE (section 6.3.6)."""


@dataclass(frozen=True, slots=True)
class UnsubscribeCommand(MailboxCommand, verb="UNSUBSCRIBE", states=AFTER_LOGIN):
    """UNSUBSCRIBE (section 6.3.7)."""


@dataclass(frozen=True, slots=True)
class RenameCommand(ImapCommand, verb="RENAME", states=AFTER_LOGIN):
    """RENAME (section 6.3.5)."""

    old: str
    new: str


class StatusItem(Enum):
    """status-att (section 6.3.10)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"


@dataclass(frozen=True, slots=True)
class StatusCommand(ImapCommand, verb="STATUS", states=AFTER_LOGIN):
    """STATUS (section 6.3.10)."""

    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class NamespaceCommand(ImapCommand, verb="NAMESPACE", states=AFTER_LOGIN):
    """NAMESPACE (RFC 2342)."""


@dataclass(frozen=True, slots=True)
class CheckCommand(ImapCommand, verb="CHECK", states=MAILBOX_SELECTED):
    """CHECK (RFC 3501, section 6.4.1)."""


@dataclass(frozen=True, slots=True)
class CloseCommand(ImapCommand, verb="CLOSE", states=MAILBOX_SELECTED):
    """CLOSE (section 6.4.2): expunge the mailbox without EXPUNGE responses, and close it."""


@dataclass(frozen=True, slots=True)
class UnselectCommand(ImapCommand, verb="UNSELECT", states=MAILBOX_SELECTED):
    """UNSELECT (RFC 3691): close the mailbox without expunge."""


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
