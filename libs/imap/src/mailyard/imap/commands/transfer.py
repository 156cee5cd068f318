"""COPY, MOVE and EXPUNGE, by sequence number and by UID (RFC 3501, RFC 6851, RFC 4315)."""

from collections.abc import Callable
from dataclasses import dataclass

from mailyard.imap.commands.command import ImapCommand, Parser, Parsers
from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.grammar.names import mailbox
from mailyard.imap.grammar.sequences import SequenceSet, sequence_set
from mailyard.imap.grammar.syntax import space
from mailyard.imap.states import MAILBOX_SELECTED


@dataclass(frozen=True, slots=True)
class TransferCommand(ImapCommand):
    """COPY or MOVE of messages to another mailbox."""

    numbers: SequenceSet
    mailbox: str
    by_uid: bool = False

    @property
    def reads_flags(self) -> bool:
        """True: flags are copied, and messages that another session has removed cannot be."""
        return True


@dataclass(frozen=True, slots=True)
class CopyCommand(TransferCommand, verb="COPY", states=MAILBOX_SELECTED):
    """COPY (RFC 3501, section 6.4.7)."""


@dataclass(frozen=True, slots=True)
class MoveCommand(TransferCommand, verb="MOVE", states=MAILBOX_SELECTED):
    """MOVE (RFC 6851)."""


@dataclass(frozen=True, slots=True)
class ExpungeCommand(ImapCommand, verb="EXPUNGE", states=MAILBOX_SELECTED):
    """EXPUNGE (RFC 3501, section 6.4.3), or UID EXPUNGE of some messages only (RFC 4315, section 2.1)."""

    uids: SequenceSet | None = None


def _transfer(build: Callable[[SequenceSet, str, bool], TransferCommand], *, by_uid: bool) -> Parser:
    def parse(cursor: Cursor) -> TransferCommand:
        space(cursor)
        numbers = sequence_set(cursor)
        space(cursor)
        return build(numbers, mailbox(cursor), by_uid)

    return parse


def _uid_expunge(cursor: Cursor) -> ExpungeCommand:
    space(cursor)
    return ExpungeCommand(sequence_set(cursor))


PARSERS: Parsers = {
    b"COPY": _transfer(CopyCommand, by_uid=False),
    b"MOVE": _transfer(MoveCommand, by_uid=False),
    b"EXPUNGE": lambda _: ExpungeCommand(),
}
UID_PARSERS: Parsers = {
    b"COPY": _transfer(CopyCommand, by_uid=True),
    b"MOVE": _transfer(MoveCommand, by_uid=True),
    b"EXPUNGE": _uid_expunge,
}
