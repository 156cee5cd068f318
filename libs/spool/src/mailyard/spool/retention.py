"""What the spool still needs, and what it no longer does: for the sweep of bodies and of ended rows."""

from datetime import datetime

from bson import ObjectId

from mailyard.spool.ids import first_spool_id
from mailyard.spool.row import COLLECTION
from mailyard.store.client import Store, unavailable_when_away


async def blobs_in_spool(store: Store, accepted_before: datetime) -> set[ObjectId]:
    """Return the bodies of messages accepted before a time that still wait, or whose sender must still be told.

    Raises:
        Unavailable: the store is away.

    """
    old = {"_id": {"$lt": first_spool_id(accepted_before)}}
    rows = store.collection(COLLECTION)
    with unavailable_when_away():
        waiting = await rows.distinct("blob", {"due_at": {"$exists": True}, **old})
        bouncing = await rows.distinct("blob", {"bounce_at": {"$exists": True}, **old})
    return {*waiting, *bouncing}


async def purge_ended(store: Store, accepted_before: datetime, limit: int) -> int:
    """Delete rows of messages accepted before a time that have ended; return how many.

    Raises:
        Unavailable: the store is away.

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
