"""Commands that name a mailbox: SELECT to UNSUBSCRIBE, STATUS, NAMESPACE, and those that leave the selected one."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from mailyard.imap.core.commands.command import BareCommand, Command, Parser, Parsers
from mailyard.imap.core.cursor import CommandSyntaxError, Cursor
from mailyard.imap.core.names import encode_mailbox, mailbox
from mailyard.imap.core.syntax import atom, parenthesised, skip_spaces, space

_SPECIAL_USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
_SPECIAL_USE = {use.lower().encode("ascii"): use for use in _SPECIAL_USES}


@dataclass(frozen=True, slots=True)
class MailboxCommand(Command):
    """A command whose only argument is a mailbox name."""

    mailbox: str

    def encode(self) -> bytes:
        """Verb and name."""
        return self.verb.encode("ascii") + b" " + encode_mailbox(self.mailbox)


@dataclass(frozen=True, slots=True)
class Select(MailboxCommand):
    """SELECT (RFC 3501, section 6.3.1)."""

    verb: ClassVar[str] = "SELECT"


@dataclass(frozen=True, slots=True)
class Examine(MailboxCommand):
    """EXAMINE (section 6.3.2): SELECT that changes nothing."""

    verb: ClassVar[str] = "EXAMINE"


@dataclass(frozen=True, slots=True)
class Create(MailboxCommand):
    """CREATE (section 6.3.3), with the special use that the mailbox shall have (RFC 6154, section 3)."""

    special_use: str | None = None

    verb: ClassVar[str] = "CREATE"

    def encode(self) -> bytes:
        """Verb, name and USE."""
        use = f" (USE ({self.special_use}))" if self.special_use else ""
        return b"CREATE " + encode_mailbox(self.mailbox) + use.encode("ascii")


@dataclass(frozen=True, slots=True)
class Delete(MailboxCommand):
    """DELETE (section 6.3.4)."""

    verb: ClassVar[str] = "DELETE"


@dataclass(frozen=True, slots=True)
class Subscribe(MailboxCommand):
    """SUBSCRIBE (section 6.3.6)."""

    verb: ClassVar[str] = "SUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Unsubscribe(MailboxCommand):
    """UNSUBSCRIBE (section 6.3.7)."""

    verb: ClassVar[str] = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True)
class Rename(Command):
    """RENAME (section 6.3.5)."""

    old: str
    new: str

    verb: ClassVar[str] = "RENAME"

    def encode(self) -> bytes:
        """Verb and both names."""
        return b"RENAME %b %b" % (encode_mailbox(self.old), encode_mailbox(self.new))


class StatusItem(Enum):
    """status-att (section 6.3.10)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"


@dataclass(frozen=True, slots=True)
class Status(Command):
    """STATUS (section 6.3.10)."""

    mailbox: str
    items: tuple[StatusItem, ...]

    verb: ClassVar[str] = "STATUS"

    def encode(self) -> bytes:
        """Verb, name and items."""
        return b"STATUS %b (%b)" % (
            encode_mailbox(self.mailbox),
            b" ".join(item.value for item in self.items),
        )


@dataclass(frozen=True, slots=True)
class Namespace(BareCommand):
    """NAMESPACE (RFC 2342)."""

    verb: ClassVar[str] = "NAMESPACE"


@dataclass(frozen=True, slots=True)
class Check(BareCommand):
    """CHECK (RFC 3501, section 6.4.1)."""

    verb: ClassVar[str] = "CHECK"


@dataclass(frozen=True, slots=True)
class Close(BareCommand):
    """CLOSE (section 6.4.2): leave the mailbox and expunge it without a word."""

    verb: ClassVar[str] = "CLOSE"


@dataclass(frozen=True, slots=True)
class Unselect(BareCommand):
    """UNSELECT (RFC 3691): leave the mailbox and expunge nothing."""

    verb: ClassVar[str] = "UNSELECT"


def _named(build: Callable[[str], MailboxCommand]) -> Parser:
    def parse(cursor: Cursor) -> MailboxCommand:
        space(cursor)
        return build(mailbox(cursor))

    return parse


def _create(cursor: Cursor) -> Create:
    """ABNF: create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr] ")" ")"]; one use at most."""
    space(cursor)
    name = mailbox(cursor)
    if not skip_spaces(cursor) or cursor.at_end:
        return Create(name)
    cursor.expect(b"(", "an opening parenthesis")
    if atom(cursor).upper() != b"USE":
        raise CommandSyntaxError("Expected USE")
    space(cursor)
    uses = parenthesised(cursor, _special_use)
    cursor.expect(b")", "a closing parenthesis")
    if len(uses) > 1:
        raise CommandSyntaxError("A mailbox has one special use at most")
    return Create(name, uses[0] if uses else None)


def _special_use(cursor: Cursor) -> str:
    cursor.expect(b"\\", "a special use such as \\Sent")
    use = _SPECIAL_USE.get(b"\\" + atom(cursor).lower())
    if use is None:
        raise CommandSyntaxError("There is no such special use")
    return use


def _rename(cursor: Cursor) -> Rename:
    space(cursor)
    old = mailbox(cursor)
    space(cursor)
    return Rename(old, mailbox(cursor))


def _status(cursor: Cursor) -> Status:
    space(cursor)
    name = mailbox(cursor)
    space(cursor)
    items = parenthesised(cursor, _status_item)
    if not items:
        raise CommandSyntaxError("Expected at least one status item")
    return Status(name, items)


def _status_item(cursor: Cursor) -> StatusItem:
    word = atom(cursor).upper()
    try:
        return StatusItem(word)
    except ValueError as error:
        raise CommandSyntaxError("There is no such status item") from error


PARSERS: Parsers = {
    b"SELECT": _named(Select),
    b"EXAMINE": _named(Examine),
    b"CREATE": _create,
    b"DELETE": _named(Delete),
    b"RENAME": _rename,
    b"SUBSCRIBE": _named(Subscribe),
    b"UNSUBSCRIBE": _named(Unsubscribe),
    b"STATUS": _status,
    b"NAMESPACE": lambda _: Namespace(),
    b"CHECK": lambda _: Check(),
    b"CLOSE": lambda _: Close(),
    b"UNSELECT": lambda _: Unselect(),
}
