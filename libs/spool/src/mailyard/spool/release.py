"""Releasing rows: those that are due, and those whose ticket is lost.

Rows are claimed hundreds at a time (find, one update that raises the epoch, find by token); two routers that claim at
once never get the same row. A released row's ticket has a higher epoch than any before it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from mailyard.broker.topology import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.horizon import Way
from mailyard.spool.leases import OutageWatch
from mailyard.spool.row import COLLECTION, Route, State, ticket_of
from mailyard.store.client import Row, Store, unavailable_when_away

Released = tuple[Queue, Ticket]

_ON_WAY: Mapping[Way, Row] = {
    Way.LOCAL: {"route": Route.LOCAL},
    Way.REMOTE: {"route": Route.REMOTE},
    Way.EDGE_LOCAL: {"route": Route.EDGE},
    Way.EDGE: {"route": {"$exists": False}},  # rows of 0.2.0
}


class Release:
    """Claims rows for publication."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watch = OutageWatch()

    async def due(self, now: datetime, limit: int) -> list[Released]:
        """Claim deferred rows that are due; return their tickets and queues, oldest first.

        Raises:
            Unavailable: the store is away.

        """
        return await self._claim({"state": State.DEFERRED, "due_at": {"$lte": now}}, now, limit)

    async def lost(
        self, horizons: Mapping[Way, datetime | None], now: datetime, limit: int
    ) -> list[Released]:
        """Claim active rows whose ticket is lost: released before the horizon of their way, and not leased.

        Leases that ended while the store was unreachable hold a while longer, see `OutageWatch`.

        Args:
            horizons: see `mailyard.spool.horizon.way_horizons`.
            now: the present; the new release time.
            limit: most rows of each way.

        Raises:
            Unavailable: the store is away.

        """
        released: list[Released] = []
        free: list[Row] = [{"lease": {"$exists": False}}]
        if self._watch.trusts_leases(now):
            free.append({"lease.until": {"$lt": now}})
        for way, before in horizons.items():
            if before is not None:
                query = {"state": State.ACTIVE, "due_at": {"$lt": before}, **_ON_WAY[way], "$or": free}
                released += await self._claim(query, now, limit)
        return released

    async def _claim(self, query: Mapping[str, Any], now: datetime, limit: int) -> list[Released]:
        rows = self._store.collection(COLLECTION)
        token = ObjectId()
        with unavailable_when_away():
            ids = [row["_id"] async for row in rows.find(query, {"_id": 1}).sort("due_at").limit(limit)]
            if not ids:
                return []
            await rows.update_many(
                {**query, "_id": {"$in": ids}},
                {
                    "$set": {"state": State.ACTIVE, "due_at": now, "released_by": token},
                    "$unset": {"lease": ""},  # its holder cannot renew it any more
                    "$inc": {"epoch": 1},
                },
            )
            claimed = [row async for row in rows.find({"_id": {"$in": ids}, "released_by": token})]
        return [(_queue_of(row), ticket_of(row)) for row in claimed]


def _queue_of(row: Row) -> Queue:
    """Where a row goes on: a leg that has its verdict is not filtered again."""
    match row.get("route"):
        case Route.LOCAL:
            return Queue.LOCAL_DELIVER if "verdict" in row else Queue.LOCAL_FILTER
        case Route.REMOTE:
            return Queue.REMOTE_SEND if "verdict" in row else Queue.REMOTE_FILTER
        case _:
            return Queue.SMTP_IN_ROUTE
