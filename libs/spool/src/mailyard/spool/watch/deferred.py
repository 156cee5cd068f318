"""Deferred and held mail: how much waits in the store, for its next try or for a decision."""

from dataclasses import dataclass
from datetime import datetime

from mailyard.spool.row import COLLECTION, OPEN_INDEX, RowState
from mailyard.spool.watch.backlog import EVER
from mailyard.store.client import Store, unavailable_when_away


@dataclass(frozen=True, slots=True)
class Deferred:
    """Messages (or legs of messages) that wait for their next try; `next_due_at` is None when there are none."""

    mails: int
    next_due_at: datetime | None


async def read_deferred(store: Store) -> Deferred:
    """Count deferred rows, by index keys alone, and find the next one that is due, by one row.

    Raises:
        Unavailable: the store is unreachable.

    """
    rows = store.collection(COLLECTION)
    query = {"state": RowState.DEFERRED, "due_at": {"$gte": EVER}}
    with unavailable_when_away():
        mails = await rows.count_documents(query, hint=OPEN_INDEX)
        first = await rows.find_one(query, {"_id": 0, "due_at": 1}, sort=[("due_at", 1)])
    return Deferred(mails, first["due_at"] if first else None)


async def count_held(store: Store) -> int:
    """Count messages that wait for a decision, by index keys alone. Raises Unavailable."""
    query = {"state": RowState.HELD, "due_at": {"$gte": EVER}}
    with unavailable_when_away():
        return await store.collection(COLLECTION).count_documents(query, hint=OPEN_INDEX)
