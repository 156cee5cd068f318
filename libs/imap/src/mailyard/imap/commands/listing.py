"""LIST and LSUB (RFC 3501, sections 6.3.8 and 6.3.9)."""

from dataclasses import dataclass

from mailyard.imap.commands.command import ImapCommand, Parsers
from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.grammar.names import InvalidMailboxName, decode_name
from mailyard.imap.grammar.syntax import astring, list_mailbox, space
from mailyard.imap.states import AFTER_LOGIN

_NO_NAME = "\x00"  # no mailbox name contains a control character


@dataclass(frozen=True, slots=True)
class PatternCommand(ImapCommand):
    """A reference name and a mailbox pattern, which are joined (RFC 3501, section 6.3.8)."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class ListCommand(PatternCommand, verb="LIST", states=AFTER_LOGIN):
    """LIST: mailboxes that exist."""


@dataclass(frozen=True, slots=True)
class LsubCommand(PatternCommand, verb="LSUB", states=AFTER_LOGIN):
    """LSUB: mailboxes that are subscribed."""


def _arguments(cursor: Cursor) -> tuple[str, str]:
    space(cursor)
    reference = _name(astring(cursor))
    space(cursor)
    return reference, _name(list_mailbox(cursor))


def _name(octets: bytes) -> str:
    """Decode a reference or pattern; octets that no mailbox name can contain match nothing."""
    try:
        return decode_name(octets)
    except InvalidMailboxName:
        return _NO_NAME


PARSERS: Parsers = {
    b"LIST": lambda cursor: ListCommand(*_arguments(cursor)),
    b"LSUB": lambda cursor: LsubCommand(*_arguments(cursor)),
}
