"""Read-ahead for clients that pipeline UID FETCH commands for one message each, as mbsync does.

Commands behind the current UID FETCH that differ from it only in their UIDs are parsed early: their rows and small bodies
are read together with those of the first. Each command is still answered in its turn.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from bson import ObjectId

from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.fetch import FetchCommand
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import CommandReceived, Event
from mailyard.imap_server.session.backend import ImapServices
from mailyard.mailbox.model import Mailbox, Message
from mailyard.mailbox.octets import SMALL_BODY

_COMMANDS = 100
_OCTETS = 2_097_152


class EventQueue:
    """Events in the order of the wire; some are parsed before their turn."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: deque[Event] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether no event was parsed before its turn."""
        return not self._waiting

    def next_event(self) -> Event | None:
        """Return the next event, if there is one."""
        return self._waiting.popleft() if self._waiting else self._connection.next_event()

    def followers(self, command: FetchCommand) -> list[FetchCommand]:
        """Return the commands directly behind `command` with the same items. They change nothing that parsing depends on."""
        found: list[FetchCommand] = []
        for event in self._events():
            if not (isinstance(event, CommandReceived) and _is_like(event.command, command)):
                break
            found.append(event.command)
        return found

    def _events(self) -> Iterator[Event]:
        """Give the waiting events; new ones are parsed on demand, and wait."""
        yield from tuple(self._waiting)
        while len(self._waiting) < _COMMANDS and (event := self._connection.next_event()) is not None:
            self._waiting.append(event)
            yield event


def _is_like(command: ImapCommand, first: FetchCommand) -> TypeGuard[FetchCommand]:
    return isinstance(command, FetchCommand) and command.by_uid and command.items == first.items


class FetchAhead:
    """Rows and small bodies that were read ahead."""

    def __init__(self, backend: ImapServices) -> None:
        self._backend = backend
        self._fields: frozenset[str] = frozenset()
        self._uids: frozenset[int] = frozenset()
        self._rows: Mapping[int, Message] = {}
        self.bodies: Mapping[ObjectId, bytes] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether waiting commands are answered from rows that were read ahead."""
        return bool(self._uids)

    def has(self, uids: Sequence[int], fields: frozenset[str]) -> bool:
        """Return whether these messages were read with these columns; some may have been removed."""
        return self._fields == fields and self._uids.issuperset(uids)

    def rows(self, uids: Sequence[int]) -> list[Message]:
        """Return the rows of the messages that exist."""
        return [self._rows[uid] for uid in uids if uid in self._rows]

    async def load(self, mailbox: Mailbox, uids: Sequence[int], fields: frozenset[str]) -> None:
        """Read rows, and small bodies up to `_OCTETS` together."""
        found = [
            message async for message in self._backend.messages.fetch(mailbox, sorted(set(uids)), fields)
        ]
        wanted: list[ObjectId] = []
        room = _OCTETS
        for message in found:
            if message.size <= min(room, SMALL_BODY):
                wanted.append(message.blob_id)
                room -= message.size
        self.bodies = await self._backend.blobs.read_many(wanted)
        self._rows = {message.uid: message for message in found}
        self._fields, self._uids = fields, frozenset(uids)

    def forget(self) -> None:
        """Drop everything that was read."""
        self._fields, self._uids, self._rows, self.bodies = frozenset(), frozenset(), {}, {}
