"""Retention: the bodies that messages need, and the purge of expunged messages, deleted mailboxes and removed accounts."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.rows import ACCOUNTS, DELETED_MAILBOXES, MAILBOXES, MESSAGES
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import BY_ID, MAJORITY, Row, Store, unavailable_when_away


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

    At most `limit` messages are deleted at each call.

    Raises:
        Unavailable: the store is unreachable.

    """
    with unavailable_when_away():
        purged = await _purge(store, {"expunged_at": {"$lt": before}}, limit, clock)
        return purged + await _purge_deleted_mailboxes(store, before, limit - purged, clock)


async def purge_account(store: Store, account: ObjectId, limit: int, *, clock: Clock = now_utc) -> int:
    """Delete some messages of an account, and its mailboxes when no message is left; return how many messages.

    Idempotent: repeat until the result is 0. Rows of mailboxes that the user deleted before are purged when their undelete
    window is over.

    Raises:
        Unavailable: the store is unreachable.

    """
    with unavailable_when_away():
        purged = await _purge(store, {"account": account}, limit, clock)
        if not purged:
            await store.collection(MAILBOXES).delete_many({"account": account})
            await store.collection(ACCOUNTS).delete_one({"_id": account})
    return purged


async def _purge_deleted_mailboxes(store: Store, before: datetime, limit: int, clock: Clock) -> int:
    """Delete the messages of deleted mailboxes, the oldest deletion first; then the row of the mailbox.

    Idempotent: a crash leaves the row in `mailboxes_deleted`, and the next call goes on from there.
    """
    deleted = store.collection(DELETED_MAILBOXES)
    purged = 0
    for _ in range(limit):
        mailbox = await deleted.find_one({"deleted_at": {"$lt": before}}, sort=[("deleted_at", 1)])
        if mailbox is None or purged == limit:
            break
        theirs = {"account": mailbox["account"], "mailbox": mailbox["_id"]}
        some = await _purge(store, theirs, limit - purged, clock)
        purged += some
        if not some:
            await deleted.delete_one({"_id": mailbox["_id"]})
    return purged


async def _purge(store: Store, query: Row, limit: int, clock: Clock) -> int:
    """Delete some messages; return how many. Their bodies are noted for the sweep before, so a crash forgets none."""
    messages = store.collection(MESSAGES)
    rows = await messages.find(query, {"_id": 1, "blob": 1}).limit(limit).to_list()
    if rows:
        await BodyChecks(store).note([row["blob"] for row in rows], clock())
        await messages.delete_many({**query, "_id": {"$in": [row["_id"] for row in rows]}}, hint=BY_ID)
    return len(rows)
