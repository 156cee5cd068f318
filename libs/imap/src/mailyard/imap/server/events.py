"""What the connection tells the session: one of these at a time, in the order of the wire."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mailyard.imap.commands.append import AppendCommand
from mailyard.imap.commands.command import ImapCommand

NO_TAG = "*"


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A whole command that may be carried out in this state."""

    tag: str
    command: ImapCommand


@dataclass(frozen=True, slots=True)
class CommandRejected:
    """A command that is to be answered and not carried out."""

    tag: str  # NO_TAG when none could be made out
    text: str
    condition: Literal["NO", "BAD"] = "BAD"
    code: str = ""


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
    """The accepted message cannot be kept: answer with BAD; what remains of it is read away."""

    text: str


@dataclass(frozen=True, slots=True)
class LineReceived:
    """The line that was asked for with `expect_line`, without its CRLF."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Overflow:
    """The client sends more than can be read away: say BYE and close."""

    text: str


Event: TypeAlias = (
    CommandReceived | CommandRejected | ContinuationWanted | MessageOffered | MessageData | MessageEnded
    | MessageBroken | LineReceived | Overflow
)  # fmt: skip
