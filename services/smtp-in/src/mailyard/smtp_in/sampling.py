"""Measure the servers behind smtp-in: free space on the disks of MongoDB, and the age of the router's backlog."""

from collections.abc import Iterable

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.smtp_in.pressure import Sample
from mailyard.spool.watch.depth import read_depths
from mailyard.store.client import Row, Store, unavailable_when_away


class Sampler:
    """Measures through store and broker."""

    def __init__(self, store: Store, broker: Broker) -> None:
        self._store = store
        self._broker = broker

    async def measure(self) -> Sample:
        """Take one sample. Raises Unavailable: the store is unreachable."""
        return Sample(await self._disk_free_percent(), await self._queue_seconds())

    async def _disk_free_percent(self) -> float | None:
        with unavailable_when_away():
            return free_percent(await self._store.db.command("dbStats"))

    async def _queue_seconds(self) -> float | None:
        """Return the age of the oldest message in the router's queue; None while the broker is unreachable, which refuses nothing."""
        try:
            depths = await read_depths(self._store, self._broker, now_utc())
        except Unavailable:
            return None
        return next(depth.oldest_seconds for depth in depths if depth.queue is Queue.SMTP_IN_ROUTE)


def free_percent(stats: Row) -> float | None:
    """Return the free space of the fullest disk: of the primary, or of all shards behind a mongos; None: not reported."""
    shares = [
        100.0 * (1 - each["fsUsedSize"] / each["fsTotalSize"])
        for each in _parts(stats)
        if each.get("fsTotalSize")
    ]
    return min(shares, default=None)


def _parts(stats: Row) -> Iterable[Row]:
    raw = stats.get("raw")
    return raw.values() if isinstance(raw, dict) else (stats,)
