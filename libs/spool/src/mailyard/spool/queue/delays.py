"""Delayed mail whose sender gets a report: at most one report for each row (RFC 3461, section 4.1).

A deferral writes into `delay_at` since when the message is late: the time of its acceptance. The report is due some hours
later. The router moves `delay_at` to `NEVER` when the report is made; deferrals only raise it, so it stays there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.spool.row import COLLECTION, RowState, targets_of
from mailyard.store.client import BY_ID, Collection, Row, Store, unavailable_when_away

CLAIM: Final = timedelta(minutes=5)
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DueDelay:
    """A deferred row whose sender is to hear of the delay."""

    key: str
    row: Row

    @property
    def targets(self) -> tuple[Recipient, ...]:
        """Who waits; an error in a row concerns that row alone."""
        waits = self.row["state"] in (RowState.ACTIVE, RowState.DEFERRED)
        return tuple(targets_of(self.row)) if waits else ()


class Delays:
    """The rows that a delay report is due for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _rows(self) -> Collection:
        return self._store.collection(COLLECTION)

    async def claim(self, now: datetime, after: timedelta, limit: int) -> list[DueDelay]:
        """Claim rows that are late by `after`; a claim that is not settled ends after minutes.

        Raises:
            Unavailable: the store is unreachable.

        """
        due: Row = {"delay_at": {"$lte": now - after}}
        token = ObjectId()
        with unavailable_when_away():
            ids = [row["_id"] async for row in self._rows.find(due, {"_id": 1}).sort("delay_at").limit(limit)]
            if not ids:
                return []
            ours = {"_id": {"$in": ids}}
            claim = {"$set": {"delay_at": now - after + CLAIM, "delay_claim": token}}
            await self._rows.update_many(due | ours, claim, hint=BY_ID)
            rows = [row async for row in self._rows.find(ours | {"delay_claim": token})]
        return [DueDelay(f"{row['_id']}/delay", row) for row in rows]

    async def settle(self, delays: Sequence[DueDelay]) -> None:
        """Note that the senders know.

        Raises:
            Unavailable: the store is unreachable; the claims end, and the keys keep each report single.

        """
        if delays:
            reported = {"_id": {"$in": [each.row["_id"] for each in delays]}, "delay_at": {"$exists": True}}
            with unavailable_when_away():
                await self._rows.update_many(
                    reported, {"$set": {"delay_at": NEVER}, "$unset": {"delay_claim": ""}}, hint=BY_ID
                )
