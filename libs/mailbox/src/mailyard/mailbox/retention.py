"""Retention: the bodies that messages need, and the purge of expunged messages and deleted mailboxes."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.rows import DELETED_MAILBOXES, MESSAGES
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import BY_ID, MAJORITY, Store, unavailable_when_away

_WITH_BODY = {"_id": 1, "blob": 1}


async def blobs_in_mailboxes(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
    """Return the bodies that messages refer to, expunged messages within the undelete window included.

    Raises:
        Unavailable: the store is unreachable.

    """
    messages = store.collection(MESSAGES).with_options(read_concern=MAJORITY)
    with unavailable_when_away():
        return set(await messages.distinct("blob", {"blob": {"$in": list(blobs)}}))


async def purge_expunged(store: Store, before: datetime, limit: int, *, clock: Clock = now_utc) -> int:
    """Delete messages that were expunged, or whose mailbox was deleted, before a time; return how many.

    At most `limit` messages are deleted at each call. Their bodies are noted for the sweep before.

    Raises:
        Unavailable: the store is unreachable.

    """
    messages = store.collection(MESSAGES)
    checks = BodyChecks(store)
    with unavailable_when_away():
        rows = await messages.find({"expunged_at": {"$lt": before}}, _WITH_BODY).limit(limit).to_list()
        if rows:
            await checks.note([row["blob"] for row in rows], clock())
            ids = {"$in": [row["_id"] for row in rows]}
            await messages.delete_many({"_id": ids, "expunged_at": {"$lt": before}}, hint=BY_ID)
    return len(rows) + await _purge_deleted_mailboxes(store, before, limit - len(rows), clock)


async def _purge_deleted_mailboxes(store: Store, before: datetime, limit: int, clock: Clock) -> int:
    """Delete the messages of deleted mailboxes, the oldest deletion first; then the row of the mailbox.

    Idempotent: a crash leaves the row in `mailboxes_deleted`, and the next call goes on from there.
    """
    deleted = store.collection(DELETED_MAILBOXES)
    messages = store.collection(MESSAGES)
    checks = BodyChecks(store)
    purged = 0
    with unavailable_when_away():
        for _ in range(limit):
            mailbox = await deleted.find_one({"deleted_at": {"$lt": before}}, sort=[("deleted_at", 1)])
            if mailbox is None or purged == limit:
                break
            theirs = {"account": mailbox["account"], "mailbox": mailbox["_id"]}
            rows = await messages.find(theirs, _WITH_BODY).limit(limit - purged).to_list()
            if rows:
                await checks.note([row["blob"] for row in rows], clock())
                ids = {"$in": [row["_id"] for row in rows]}
                await messages.delete_many({"_id": ids, **theirs}, hint=BY_ID)
                purged += len(rows)
            else:
                await deleted.delete_one({"_id": mailbox["_id"]})
    return purged
