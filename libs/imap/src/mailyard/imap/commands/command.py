"""The base class of all commands."""

from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

from mailyard.imap.grammar.cursor import Cursor
from mailyard.imap.states import SessionState


class ImapCommand:
    """A parsed command. Each class declares its verb and the states in which it is permitted."""

    __slots__ = ()
    verb: ClassVar[str]
    states: ClassVar[frozenset[SessionState]]

    def __init_subclass__(cls, *, verb: str = "", states: frozenset[SessionState] = frozenset()) -> None:
        """Set verb and states; a base class of several commands has none."""
        if verb:
            cls.verb, cls.states = verb, states

    @property
    def by_uid(self) -> bool:
        """Whether the messages of the command are given by UID."""
        return False

    @property
    def defers_expunges(self) -> bool:
        """Whether EXPUNGE responses must wait until the command is complete (RFC 3501, section 7.4.1)."""
        return False

    @property
    def reads_flags(self) -> bool:
        """Whether the command depends on flags: changes by other sessions are read before it."""
        return False

    @property
    def permits_updates_first(self) -> bool:
        """Whether mailbox updates may be sent before the command: by UID, so that numbers may change."""
        return self.by_uid


Parser: TypeAlias = Callable[[Cursor], ImapCommand]
Parsers: TypeAlias = Mapping[bytes, Parser]
