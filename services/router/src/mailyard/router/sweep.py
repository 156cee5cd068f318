"""The sweep: delete ended rows, expunged messages, and bodies without a reference.

A body is deleted when it is older than a day and no message and no open row names it, never by its age alone. A body is
checked when its references may have changed: once when it is a day old, when a message that named it was deleted, and
in growing intervals of at most a day while an open row names it. So the work grows with the mail and not with the size
of the store. A body that is being written has no row yet; the day of grace is for such bodies.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from mailyard.mailbox.retention import blobs_in_mailboxes, purge_expunged
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.watch.retention import blobs_in_spool, purge_ended
from mailyard.store.blobs import Blobs
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import Store
from mailyard.store.lease import Lease

_STEP = 1000
_GRACE = timedelta(days=1)
_LEASE = timedelta(minutes=10)


class Sweep:
    """Periodic work; each call is one step."""

    def __init__(self, store: Store, settings: RouterSettings, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._blobs = Blobs(store)
        self._checks = BodyChecks(store)
        self._lease = Lease(store, "sweep", settings.instance, length=_LEASE, clock=clock)
        self._swept = counter("mailyard_router_swept_total")

    async def work(self) -> bool:
        """Take one step of each kind; return whether more work is left now."""
        if not await self._lease.hold():
            return False
        now = self._clock()
        rows = await purge_ended(self._store, now - timedelta(days=self._settings.trace_days), _STEP)
        self._swept.labels("rows").inc(rows)
        window = timedelta(days=self._settings.undelete_days)
        messages = await purge_expunged(self._store, now - window, _STEP, clock=lambda: now)
        self._swept.labels("messages").inc(messages)
        walked = await self._walk(now)
        # Noted bodies wait until all new bodies were checked, which takes long once, after the first start.
        checked = 0 if walked == _STEP else await self._check(now)
        return _STEP in (rows, messages, walked, checked)

    async def _walk(self, now: datetime) -> int:
        """Check bodies that are a day old; return how many. A body that an open row names is noted for later."""
        found = await self._blobs.ids_after(
            await self._checks.walked(), ObjectId.from_datetime(now - _GRACE), _STEP
        )
        if found:
            waiting = await self._sweep(found)
            await self._checks.note(waiting, now)
            await self._checks.walk_to(found[-1])
        return len(found)

    async def _check(self, now: datetime) -> int:
        """Look at bodies that were noted; return how many."""
        due = await self._checks.due(now, _STEP)
        old = [each.blob_id for each in due if each.blob_id.generation_time < now - _GRACE]
        ended = set(old) - set(await self._sweep(old))
        await self._checks.postpone([each for each in due if each.blob_id not in ended], now)
        await self._checks.end([each for each in due if each.blob_id in ended])
        return len(due)

    async def _sweep(self, blobs: Sequence[ObjectId]) -> list[ObjectId]:
        """Delete those bodies that nothing refers to; return those that an open row names.

        The spool is asked first: delivery writes the message before it ends the row.
        """
        if not blobs:
            return []
        waiting = await blobs_in_spool(self._store, blobs)
        ended = [blob for blob in blobs if blob not in waiting]
        named = await blobs_in_mailboxes(self._store, ended)
        unneeded = [blob for blob in ended if blob not in named]
        if unneeded:
            await self._blobs.delete(unneeded)
        self._swept.labels("bodies").inc(len(unneeded))
        return [blob for blob in blobs if blob in waiting]
