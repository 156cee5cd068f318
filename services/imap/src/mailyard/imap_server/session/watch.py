"""Watch of the mailboxes that sessions of this process have open: by events, and by a periodic comparison with the store.

An event may be lost. So all watched mailboxes are compared with the store every few minutes, a thousand in one query, and
mailboxes whose subscription has just begun are compared at once. Only sessions whose mailbox has changed are woken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bson import ObjectId

from mailyard.broker.events import MailboxEvents
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

Callback = Callable[[MailboxEvent], None]
HighestModseqs = Callable[[Iterable[ObjectId]], Awaitable[dict[ObjectId, int]]]

_AT_A_TIME = 1_000
_GATHER_SECONDS = 0.1  # mailboxes to compare at the same time share a query
_RETRY_SECONDS = 5.0

_log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    callbacks: list[Callback] = field(default_factory=list)
    seen: int = 0  # the highest modseq that the callbacks were notified of


class MailboxWatch:
    """Component: events and comparisons, shared by all sessions of the process."""

    def __init__(self, events: MailboxEvents, highest_modseqs: HighestModseqs, seconds: float) -> None:
        """Compare all watched mailboxes every so many `seconds`."""
        self.name = "mailbox watch"
        self._events = events
        self._highest_modseqs = highest_modseqs
        self._seconds = seconds
        self._watched: dict[str, _Watched] = {}
        self._unchecked: set[str] = set()
        self._compare_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the periodic comparison."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    def not_ready_reason(self) -> str | None:
        """Never a reason: a comparison that fails is made later."""
        return None

    async def drain(self) -> None:
        """Nothing to finish."""

    async def close(self) -> None:
        """Stop the periodic comparison."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def subscribe(self, mailbox_id: str, callback: Callback) -> None:
        """Call `callback`, in the event loop, when the mailbox has changed or is gone; it must not block."""
        watched = self._watched.get(mailbox_id)
        if watched is not None:
            watched.callbacks.append(callback)
            return
        self._watched[mailbox_id] = _Watched([callback])
        await self._events.subscribe(mailbox_id, self._on_event)

    async def unsubscribe(self, mailbox_id: str, callback: Callback) -> None:
        """Undo one `subscribe`."""
        watched = self._watched.get(mailbox_id)
        if watched is None or callback not in watched.callbacks:
            return
        watched.callbacks.remove(callback)
        if not watched.callbacks:
            del self._watched[mailbox_id]
            await self._events.unsubscribe(mailbox_id, self._on_event)

    def _on_event(self, event: MailboxEvent) -> None:
        if not event.account:  # the subscription begins: events before it are unknown
            self._unchecked.add(event.mailbox)
            self._compare_now.set()
            return
        if (watched := self._watched.get(event.mailbox)) is not None:
            watched.seen = max(watched.seen, event.highest_modseq)
            _notify(watched, event)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._compare_now.wait()
                    await asyncio.sleep(_GATHER_SECONDS)
            except TimeoutError:
                self._unchecked.update(self._watched)
                due = loop.time() + self._seconds
            self._compare_now.clear()
            try:
                await self._compare()
            except Unavailable as error:
                _log.warning("imap.unavailable", error=str(error))
                await self._wait_to_retry()
            except Exception:
                _log.exception("imap.watch_failed")
                await self._wait_to_retry()

    async def _wait_to_retry(self) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        self._compare_now.set()

    async def _compare(self) -> None:
        """Compare the unchecked mailboxes with the store; those of a query that fails stay unchecked."""
        while some := list(self._unchecked)[:_AT_A_TIME]:
            self._unchecked.difference_update(some)
            try:
                await self._compare_some([each for each in some if each in self._watched])
            except BaseException:
                self._unchecked.update(some)
                raise

    async def _compare_some(self, mailboxes: Sequence[str]) -> None:
        found = await self._highest_modseqs([ObjectId(each) for each in mailboxes])
        for mailbox in mailboxes:
            watched = self._watched.get(mailbox)
            modseq = found.get(ObjectId(mailbox))
            if watched is None or (modseq is not None and modseq <= watched.seen):
                continue
            watched.seen = modseq or watched.seen
            _notify(watched, MailboxEvent(mailbox=mailbox, highest_modseq=modseq or 0))


def _notify(watched: _Watched, event: MailboxEvent) -> None:
    for callback in tuple(watched.callbacks):
        callback(event)
