"""Bodies that the spool still needs, and removal of ended rows: for the sweep."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from mailyard.spool.ids import first_spool_id
from mailyard.spool.row import COLLECTION
from mailyard.store.client import MAJORITY, Store, unavailable_when_away

# A row with one of these fields still needs its body: work on it is due, or a report to its sender is.
NEEDING = ("due_at", "bounce_at")


async def blobs_in_spool(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
    """Return the bodies of messages that still wait, or whose sender has not got a report yet.

    Raises:
        Unavailable: the store is unreachable.

    """
    rows = store.collection(COLLECTION).with_options(read_concern=MAJORITY)
    needed: set[ObjectId] = set()
    with unavailable_when_away():
        for field in NEEDING:
            needed |= set(
                await rows.distinct("blob", {"blob": {"$in": list(blobs)}, field: {"$exists": True}})
            )
    return needed


async def purge_ended(store: Store, accepted_before: datetime, limit: int) -> int:
    """Delete rows of messages accepted before a time that have ended; return how many.

    Raises:
        Unavailable: the store is unreachable.

    """
    query = {
        "_id": {"$lt": first_spool_id(accepted_before)},
        "ended_at": {"$exists": True},
        "due_at": {"$exists": False},
        "bounce_at": {"$exists": False},
    }
    rows = store.collection(COLLECTION)
    with unavailable_when_away():
        ids = [row["_id"] async for row in rows.find(query, {"_id": 1}).sort("_id").limit(limit)]
        if not ids:
            return 0
        return (await rows.delete_many({"_id": {"$in": ids}})).deleted_count
