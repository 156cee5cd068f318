"""The selected mailbox: a snapshot, the client's view of it, and their refresh from the store.

Changes by other sessions are read from the journal index; an event only triggers the read. Nothing above the snapshot is
ever shown (see `mailyard.mailbox.insertion`).
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

from mailyard.imap_server.session.backend import ImapServices
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.model import Changes, FlagState, Mailbox
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent

FRESH_SECONDS = 1.0  # a command within this time after the last refresh does not refresh again
_APPLIED_AT_ONCE = 1_000  # messages between two turns of other sessions


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """Options of SELECT and EXAMINE."""

    read_only: bool
    origin: str  # what this session's own changes are marked with
    wake: Callable[[], None]  # called when an event says that there is something new


class SelectedMailbox:
    """The selected mailbox of one session."""

    def __init__(
        self, backend: ImapServices, mailbox: Mailbox, view: MessageView, options: SelectOptions
    ) -> None:
        self.mailbox = mailbox
        self.view = view
        self._backend = backend
        self._options = options
        self._stale = False
        self._refreshed_at = backend.monotonic()
        self._subscribed = False

    @classmethod
    async def open(cls, backend: ImapServices, mailbox: Mailbox, options: SelectOptions) -> Self:
        """Read the states of all messages of the snapshot `mailbox`."""
        view = await MessageView.of(await backend.messages.flag_states(mailbox))
        selected = cls(backend, mailbox, view, options)
        await selected._claim_recent(mailbox.recent_from)
        return selected

    @property
    def read_only(self) -> bool:
        """Whether it was opened by EXAMINE."""
        return self._options.read_only

    @property
    def is_stale(self) -> bool:
        """Whether the next command should read changes."""
        return self._stale or self._backend.monotonic() - self._refreshed_at >= FRESH_SECONDS

    @property
    def has_changes(self) -> bool:
        """Whether an event, or a change by this session, says that there are changes to read."""
        return self._stale

    def expect_changes(self) -> None:
        """Read changes before the next response, because this session has changed something itself."""
        self._stale = True

    async def refresh(self) -> None:
        """Read changes from the store; raises MailboxNotFound where the mailbox was deleted."""
        self._stale = False
        self._refreshed_at = self._backend.monotonic()
        seen = self.mailbox
        changes = await self._backend.messages.changes(seen.id, seen.account, seen.highest_modseq)
        self.mailbox = replace(seen, uid_next=changes.uid_next, highest_modseq=changes.highest_modseq)
        await self._apply(changes)
        if changes.uid_next > seen.uid_next:
            await self._claim_recent(seen.uid_next)

    async def _apply(self, changes: Changes) -> None:
        states = iter(changes.present)
        while some := tuple(islice(states, _APPLIED_AT_ONCE)):
            self.view.apply(replace(changes, present=some, vanished=()))
            await asyncio.sleep(0)
        self.view.apply(replace(changes, present=()))

    def apply_own(self, states: Iterable[FlagState]) -> None:
        """Apply flags that this session has set itself, so that they are not sent as updates."""
        for state in states:
            index = self.view.index_of(state.uid)
            if index is not None:
                self.view.set_flags(index, state.flags)

    async def _claim_recent(self, unclaimed_from: int) -> None:
        r"""Claim new messages as \Recent for this session; EXAMINE shows them and claims nothing (section 6.3.2)."""
        last = self.mailbox.uid_next - 1
        if unclaimed_from > last:
            return
        first = (
            unclaimed_from
            if self._options.read_only
            else await self._backend.mailboxes.claim_recent(self.mailbox)
        )
        self.view.claim_recent(first, last)

    # Events

    async def subscribe(self) -> None:
        """Subscribe to events of the mailbox: a session in IDLE needs changes at once."""
        if not self._subscribed:
            self._subscribed = True
            await self._backend.events.subscribe(str(self.mailbox.id), self._on_event)

    async def close(self) -> None:
        """End the subscription."""
        if self._subscribed:
            self._subscribed = False
            await self._backend.events.unsubscribe(str(self.mailbox.id), self._on_event)

    def _on_event(self, event: MailboxEvent) -> None:
        if event.origin != self._options.origin:
            self._stale = True
            self._options.wake()
