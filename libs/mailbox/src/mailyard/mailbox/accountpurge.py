"""Deletes everything that a removed account has in the mailbox store, in portions."""

from bson import ObjectId

from mailyard.mailbox.rows import ACCOUNTS, MAILBOXES, MESSAGES
from mailyard.store.client import Store, unavailable_when_away


async def purge_account(store: Store, account: ObjectId, limit: int) -> int:
    """Delete some messages of an account, and its mailboxes when no message is left; return how many messages.

    Can be repeated at any time: 0 means that nothing is left. Bodies that no other message names are swept later, and
    rows of mailboxes that were deleted before go when their undelete window is over.

    Raises:
        Unavailable: the store is unreachable.

    """
    messages = store.collection(MESSAGES)
    with unavailable_when_away():
        ids = [row["_id"] async for row in messages.find({"account": account}, {"_id": 1}).limit(limit)]
        if ids:
            await messages.delete_many({"_id": {"$in": ids}, "account": account})
        else:
            await store.collection(MAILBOXES).delete_many({"account": account})
            await store.collection(ACCOUNTS).delete_one({"_id": account})
    return len(ids)
