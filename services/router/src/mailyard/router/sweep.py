"""Deletes what nobody needs any more: ended rows, expunged messages, and bodies that nothing refers to.

A body goes when it is older than a day and no message and no open row names it, never by its age alone. The sweep walks
through all bodies in the order of their ids, a step at a time, and begins again at the end. A body that is being written
has no row yet: the day is there for it.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from mailyard.mailbox.retention import blobs_in_mailboxes, purge_expunged
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.retention import blobs_in_spool, purge_ended
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store
from mailyard.store.lease import Lease

_STEP = 1000
_UNROOTED = timedelta(days=1)
_LEASE = timedelta(minutes=10)
_FIRST = ObjectId(b"\0" * 12)


class Sweep:
    """One step of sweeping at each call."""

    def __init__(self, store: Store, settings: RouterSettings, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._blobs = Blobs(store)
        self._lease = Lease(store, "sweep", settings.instance, length=_LEASE, clock=clock)
        self._reached = _FIRST
        self._swept = counter("mailyard_router_swept_total")

    async def work(self) -> bool:
        """Take one step of each kind; say whether there is more to do now."""
        if not await self._lease.hold():
            return False
        now = self._clock()
        rows = await purge_ended(self._store, now - timedelta(days=self._settings.trace_days), _STEP)
        window = timedelta(days=self._settings.undelete_days)
        messages = await purge_expunged(self._store, now - window, _STEP)
        more = await self._sweep_bodies(now)
        self._swept.labels("rows").inc(rows)
        self._swept.labels("messages").inc(messages)
        return more or _STEP in (rows, messages)

    async def _sweep_bodies(self, now: datetime) -> bool:
        found = await self._blobs.ids_after(self._reached, ObjectId.from_datetime(now - _UNROOTED), _STEP)
        if not found:
            self._reached = _FIRST
            return False
        needed = await blobs_in_spool(self._store, now) | await blobs_in_mailboxes(self._store, found)
        unneeded = [blob for blob in found if blob not in needed]
        if unneeded:
            await self._blobs.delete(unneeded)
        self._swept.labels("bodies").inc(len(unneeded))
        self._reached = found[-1]
        return True
