"""Retention: which bodies messages still need, and the end of expunged messages and of deleted mailboxes."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.rows import DELETED_MAILBOXES, MESSAGES
from mailyard.store.client import Store, unavailable_when_away

_BY_ID = "_id_"  # other indexes would find all messages of the mailbox or of the window


async def blobs_in_mailboxes(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
    """Return those bodies that a message names, expunged ones of the undelete window included.

    Raises:
        Unavailable: the store is unreachable.

    """
    with unavailable_when_away():
        return set(await store.collection(MESSAGES).distinct("blob", {"blob": {"$in": list(blobs)}}))


async def purge_expunged(store: Store, before: datetime, limit: int) -> int:
    """Delete messages that were expunged, or whose mailbox was deleted, before a time; return how many.

    At most `limit` messages go at each call. Their bodies are swept later.

    Raises:
        Unavailable: the store is unreachable.

    """
    messages = store.collection(MESSAGES)
    with unavailable_when_away():
        found = messages.find({"expunged_at": {"$lt": before}}, {"_id": 1}).limit(limit)
        ids = [row["_id"] async for row in found]
        if ids:
            await messages.delete_many({"_id": {"$in": ids}, "expunged_at": {"$lt": before}}, hint=_BY_ID)
    return len(ids) + await _purge_deleted_mailboxes(store, before, limit - len(ids))


async def _purge_deleted_mailboxes(store: Store, before: datetime, limit: int) -> int:
    """Delete the messages of deleted mailboxes, the oldest deletion first; a mailbox without messages ends.

    Each step can be repeated: a crash leaves the row in `mailboxes_deleted`, and the next call goes on from there.
    """
    deleted = store.collection(DELETED_MAILBOXES)
    messages = store.collection(MESSAGES)
    purged = 0
    with unavailable_when_away():
        for _ in range(limit):
            mailbox = await deleted.find_one({"deleted_at": {"$lt": before}}, sort=[("deleted_at", 1)])
            if mailbox is None or purged == limit:
                break
            theirs = {"account": mailbox["account"], "mailbox": mailbox["_id"]}
            found = messages.find(theirs, {"_id": 1}).limit(limit - purged)
            ids = [row["_id"] async for row in found]
            if ids:
                await messages.delete_many({"_id": {"$in": ids}, **theirs}, hint=_BY_ID)
                purged += len(ids)
            else:
                await deleted.delete_one({"_id": mailbox["_id"]})
    return purged
