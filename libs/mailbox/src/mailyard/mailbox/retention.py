"""What mailboxes still need, and what they no longer do: for the sweep of bodies and of expunged messages."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.rows import MESSAGES
from mailyard.store.client import BY_ID, MAJORITY, Store, unavailable_when_away

Note = Callable[[Sequence[ObjectId]], Awaitable[None]]


async def blobs_in_mailboxes(store: Store, blobs: Collection[ObjectId]) -> set[ObjectId]:
    """Return those bodies that a message names, expunged ones of the undelete window included.

    Raises:
        Unavailable: the store is away.

    """
    messages = store.collection(MESSAGES).with_options(read_concern=MAJORITY)
    with unavailable_when_away():
        return set(await messages.distinct("blob", {"blob": {"$in": list(blobs)}}))


async def purge_expunged(store: Store, before: datetime, limit: int, note: Note) -> int:
    """Delete messages that were expunged before a time; return how many. Their bodies are swept later.

    Args:
        store: where the messages are.
        before: the end of the undelete window.
        limit: most messages of one call.
        note: keeps the bodies of messages in mind, so that the sweep looks at them; called before the messages go.

    Raises:
        Unavailable: the store is away.

    """
    messages = store.collection(MESSAGES)
    with unavailable_when_away():
        found = messages.find({"expunged_at": {"$lt": before}}, {"_id": 1, "blob": 1}).limit(limit)
        rows = await found.to_list()
        if not rows:
            return 0
        await note([row["blob"] for row in rows])
        ids = [row["_id"] for row in rows]
        return (
            await messages.delete_many({"_id": {"$in": ids}, "expunged_at": {"$lt": before}}, hint=BY_ID)
        ).deleted_count
