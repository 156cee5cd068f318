"""What all commands have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

from mailyard.imap.core.cursor import Cursor


class Command(ABC):
    """A parsed command. Its `encode()` gives the octets that parse to it again, without tag and CRLF."""

    __slots__ = ()
    verb: ClassVar[str]

    @abstractmethod
    def encode(self) -> bytes:
        """The command as a client writes it."""

    @property
    def holds_expunges(self) -> bool:
        """Whether EXPUNGE responses must wait until it is over (RFC 3501, section 7.4.1)."""
        return False

    @property
    def uses_flags(self) -> bool:
        """Whether it is about flags of messages: changes by other sessions are learned first."""
        return False

    @property
    def takes_news_first(self) -> bool:
        """Whether news may be told before it is carried out: it names messages by UID, so numbers may change."""
        return False


class BareCommand(Command):
    """A command without arguments."""

    __slots__ = ()

    def encode(self) -> bytes:
        """The verb and nothing else."""
        return self.verb.encode("ascii")


Parser: TypeAlias = Callable[[Cursor], Command]
Parsers: TypeAlias = Mapping[bytes, Parser]


def uid_prefix(by_uid: bool) -> bytes:
    """What stands before a command that names messages by UID (RFC 3501, section 6.4.8)."""
    return b"UID " if by_uid else b""
