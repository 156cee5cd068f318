"""Deferred mail: how much waits in the store for its next try, and when that is."""

from dataclasses import dataclass
from datetime import datetime

from mailyard.spool.row import COLLECTION, State
from mailyard.store.client import Store, unavailable_when_away

_INDEX = "open"


@dataclass(frozen=True, slots=True)
class Deferred:
    """Messages (or legs of messages) that wait for their next try; `next_due_at` is None when there are none."""

    mails: int
    next_due_at: datetime | None


async def read_deferred(store: Store) -> Deferred:
    """Count deferred rows and find the next one that is due; both read the index of open rows only.

    Raises:
        Unavailable: the store is unreachable.

    """
    rows = store.collection(COLLECTION)
    # `due_at` in the query lets the partial index serve it.
    query = {"state": State.DEFERRED, "due_at": {"$exists": True}}
    with unavailable_when_away():
        mails = await rows.count_documents(query, hint=_INDEX)
        first = await rows.find_one(query, {"_id": 0, "due_at": 1}, sort=[("due_at", 1)], hint=_INDEX)
    return Deferred(mails, first["due_at"] if first else None)
