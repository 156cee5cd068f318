"""Reading ahead for clients that ask for one message after another and do not wait in between, as mbsync does.

UID FETCH commands that stand in line behind the one in hand and differ from it in their UIDs only are looked at before
their turn: their rows and small bodies come with the first one's. Each is still answered in its turn.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from bson import ObjectId

from mailyard.imap.commands.command import ImapCommand
from mailyard.imap.commands.fetch import FetchCommand
from mailyard.imap.server.connection import ServerConnection
from mailyard.imap.server.events import CommandReceived, Event
from mailyard.imap_server.session.backend import Backend
from mailyard.mailbox.model import Mailbox, Message
from mailyard.mailbox.octets import SMALL_BODY

_COMMANDS = 100
_OCTETS = 2_097_152


class EventQueue:
    """Events in the order of the wire, some of which have been looked at before their turn."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: deque[Event] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was looked at before its turn."""
        return not self._waiting

    def next_event(self) -> Event | None:
        """The event whose turn it is, if there is one."""
        return self._waiting.popleft() if self._waiting else self._connection.next_event()

    def followers(self, command: FetchCommand) -> list[FetchCommand]:
        """The commands right behind `command` that are like it. They change nothing that parsing depends on."""
        found: list[FetchCommand] = []
        for event in self._events():
            if not (isinstance(event, CommandReceived) and _is_like(event.command, command)):
                break
            found.append(event.command)
        return found

    def _events(self) -> Iterator[Event]:
        """Events in line, each new one parsed when it is asked for and left in line."""
        yield from tuple(self._waiting)
        while len(self._waiting) < _COMMANDS and (event := self._connection.next_event()) is not None:
            self._waiting.append(event)
            yield event


def _is_like(command: ImapCommand, first: FetchCommand) -> TypeGuard[FetchCommand]:
    return isinstance(command, FetchCommand) and command.by_uid and command.items == first.items


class FetchAhead:
    """Rows and small bodies that were read ahead."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._fields: frozenset[str] = frozenset()
        self._uids: frozenset[int] = frozenset()
        self._rows: Mapping[int, Message] = {}
        self.bodies: Mapping[ObjectId, bytes] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether commands in line are answered from what was read ahead."""
        return bool(self._uids)

    def has(self, uids: Sequence[int], fields: frozenset[str]) -> bool:
        """Whether these messages were asked for, with these fields; some of them may be gone."""
        return self._fields == fields and self._uids.issuperset(uids)

    def rows(self, uids: Sequence[int]) -> list[Message]:
        """Those of the messages that exist."""
        return [self._rows[uid] for uid in uids if uid in self._rows]

    async def load(self, mailbox: Mailbox, uids: Sequence[int], fields: frozenset[str]) -> None:
        """Read rows, and bodies as far as there is room for them."""
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
        """Keep nothing."""
        self._fields, self._uids, self._rows, self.bodies = frozenset(), frozenset(), {}, {}
