"""LIST and LSUB (RFC 3501, sections 6.3.8 and 6.3.9)."""

from dataclasses import dataclass
from typing import ClassVar

from mailyard.imap.core.commands.command import Command, Parsers
from mailyard.imap.core.cursor import Cursor
from mailyard.imap.core.names import NameError_, decode_name, encode_name
from mailyard.imap.core.syntax import astring, encode_string, list_mailbox, space

_NO_NAME = "\x00"  # no mailbox name contains a control character


@dataclass(frozen=True, slots=True)
class ListCommand(Command):
    """A reference, and a pattern that is read as if it were written behind it."""

    reference: str
    pattern: str

    def encode(self) -> bytes:
        """Verb and two strings."""
        words = (encode_string(encode_name(word)) for word in (self.reference, self.pattern))
        return self.verb.encode("ascii") + b" " + b" ".join(words)


@dataclass(frozen=True, slots=True)
class List(ListCommand):
    """LIST: mailboxes that exist."""

    verb: ClassVar[str] = "LIST"


@dataclass(frozen=True, slots=True)
class Lsub(ListCommand):
    """LSUB: mailboxes that are subscribed."""

    verb: ClassVar[str] = "LSUB"


def _arguments(cursor: Cursor) -> tuple[str, str]:
    space(cursor)
    reference = _name(astring(cursor))
    space(cursor)
    return reference, _name(list_mailbox(cursor))


def _name(octets: bytes) -> str:
    """The text of a reference or pattern; octets that no mailbox name can contain match nothing."""
    try:
        return decode_name(octets)
    except NameError_:
        return _NO_NAME


PARSERS: Parsers = {
    b"LIST": lambda cursor: List(*_arguments(cursor)),
    b"LSUB": lambda cursor: Lsub(*_arguments(cursor)),
}
