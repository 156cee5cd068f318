"""Release rows that are due, and rows that have lost their ticket.

Rows are claimed hundreds at a time (find, one update that raises the epoch, find by token). Two routers that claim at
the same time never get the same row. The ticket of a released row has a higher epoch than all earlier tickets.

Due rows are released oldest first. If one site or one tenant would take most of a batch, most of that batch is shared
among the others by a walk over the sites and tenants that have due rows (`mailyard.spool.queue.fairness`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from mailyard.broker.pipeline import Queue, QueuePath, Route, resume_at
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.queue.fairness import Walk, capped
from mailyard.spool.queue.leases import OutageWatch
from mailyard.spool.row import COLLECTION, RowState, ticket_of
from mailyard.store.client import BY_ID, Row, Store, unavailable_when_away

Released = tuple[Queue, Ticket]


class Release:
    """Claims rows for publication."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watch = OutageWatch()
        self._walks = (Walk(store, "site"), Walk(store, "tenant"))

    async def due(self, now: datetime, limit: int) -> list[Released]:
        """Claim deferred rows that are due; return their tickets and queues.

        Raises:
            Unavailable: the store is unreachable.

        """
        query = {"state": RowState.DEFERRED, "due_at": {"$lte": now}}
        return await self._claim(await self._choose(query, now, limit), query, now)

    async def lost(
        self, horizons: Mapping[QueuePath, datetime | None], now: datetime, limit: int
    ) -> list[Released]:
        """Claim active rows whose ticket is lost: released before the horizon of their path, and not leased.

        Leases that ended while the store was unreachable count for a while longer, see `OutageWatch`.

        Args:
            horizons: see `mailyard.spool.watch.horizon.path_horizons`.
            now: the present; the new release time.
            limit: most rows of each path.

        Raises:
            Unavailable: the store is unreachable.

        """
        released: list[Released] = []
        unleased = {"$not": {"$gte": now}} if self._watch.trusts_leases(now) else {"$exists": False}
        for path, before in horizons.items():
            if before is not None:
                query = {
                    "state": RowState.ACTIVE,
                    "route": path.route,
                    "due_at": {"$lt": before},
                    "lease.until": unleased,
                }
                found = await self._oldest(query, limit)
                released += await self._claim([row["_id"] for row in found], query, now)
        return released

    async def _choose(self, query: Row, now: datetime, limit: int) -> list[str]:
        """Return ids of due rows: the oldest, or fair shares if most of the oldest are of one site or tenant."""
        oldest = await self._oldest(query, limit)
        ids = [row["_id"] for row in oldest]
        chosen = capped(oldest, max(1, limit // 10))
        if len(oldest) < limit or len(chosen) == len(oldest):
            return ids
        found = dict.fromkeys(row["_id"] for row in chosen)
        for number, walk in enumerate(self._walks):
            share = (limit - len(found)) // (len(self._walks) - number)
            found.update(dict.fromkeys(await walk.take(now, share)))
        return list(dict.fromkeys([*found, *ids]))[:limit]

    async def _oldest(self, query: Mapping[str, Any], limit: int) -> list[Row]:
        fields = {"_id": 1, "site": 1, "tenant": 1}
        with unavailable_when_away():
            found = self._store.collection(COLLECTION).find(query, fields, batch_size=limit)
            return await found.sort("due_at").limit(limit).to_list()

    async def _claim(self, ids: Sequence[str], query: Mapping[str, Any], now: datetime) -> list[Released]:
        if not ids:
            return []
        rows = self._store.collection(COLLECTION)
        ours = {"_id": {"$in": list(ids)}}
        token = ObjectId()
        with unavailable_when_away():
            await rows.update_many(
                {**query, **ours},
                {
                    "$set": {"state": RowState.ACTIVE, "due_at": now, "released_by": token},
                    "$unset": {"lease": ""},  # its holder cannot renew it any more
                    "$inc": {"epoch": 1},
                },
                hint=BY_ID,
            )
            claimed = await rows.find({**ours, "released_by": token}).to_list()
        return [(_queue_of(row), ticket_of(row)) for row in claimed]


def _queue_of(row: Row) -> Queue:
    """Return the queue in which work on a row goes on; rows of 0.2.0 may have no route."""
    return resume_at(Route(row.get("route") or Route.EDGE), row)
