"""What mailboxes still need, and what they no longer do: for the sweep of bodies and of expunged messages."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.rows import MESSAGES
from mailyard.store.client import Store, unavailable_when_away


async def blobs_in_mailboxes(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
    """Return those bodies that a message names, expunged ones of the undelete window included.

    Raises:
        Unavailable: the store is away.

    """
    with unavailable_when_away():
        return set(await store.collection(MESSAGES).distinct("blob", {"blob": {"$in": list(blobs)}}))


async def purge_expunged(store: Store, before: datetime, limit: int) -> int:
    """Delete messages that were expunged before a time; return how many. Their bodies are swept later.

    Raises:
        Unavailable: the store is away.

    """
    messages = store.collection(MESSAGES)
    with unavailable_when_away():
        found = messages.find({"expunged_at": {"$lt": before}}, {"_id": 1}).limit(limit)
        ids = [row["_id"] async for row in found]
        if not ids:
            return 0
        return (
            await messages.delete_many({"_id": {"$in": ids}, "expunged_at": {"$lt": before}})
        ).deleted_count
