"""Events of a connection, in the order of the wire."""

from dataclasses import dataclass
from typing import TypeAlias

from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.server.responses import Completion

NO_TAG = "*"


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A whole command that is permitted in this state."""

    tag: str
    command: ImapCommand


@dataclass(frozen=True, slots=True)
class CommandRejected:
    """A command that is refused: write the tagged response."""

    tag: str  # NO_TAG where the command has none
    completion: Completion


@dataclass(frozen=True, slots=True)
class ContinuationWanted:
    """A synchronising literal was announced and will be read: write the continuation request."""


@dataclass(frozen=True, slots=True)
class MessageOffered:
    """An APPEND up to its literal; the connection waits for `accept_message` or `refuse_message`."""

    tag: str
    append: AppendCommand
    size: int
    synchronising: bool


@dataclass(frozen=True, slots=True)
class MessageData:
    """Octets of the accepted message."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """The accepted message and its command are complete."""


@dataclass(frozen=True, slots=True)
class MessageBroken:
    """The accepted message is refused: write BAD; the rest of the message is read and dropped."""

    text: str


@dataclass(frozen=True, slots=True)
class LineReceived:
    """The line after `expect_line`, without its CRLF."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Overflow:
    """The client sends more than is read and dropped: write BYE and close."""

    text: str


Event: TypeAlias = (
    CommandReceived | CommandRejected | ContinuationWanted | MessageOffered | MessageData | MessageEnded
    | MessageBroken | LineReceived | Overflow
)  # fmt: skip
