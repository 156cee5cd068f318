"""Delete the messages and mailboxes of a removed account, in batches."""

from bson import ObjectId

from mailyard.mailbox.rows import ACCOUNTS, MAILBOXES, MESSAGES
from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.bodychecks import BodyChecks
from mailyard.store.client import BY_ID, Store, unavailable_when_away


async def purge_account(store: Store, account: ObjectId, limit: int, *, clock: Clock = now_utc) -> int:
    """Delete some messages of an account, and its mailboxes when no message is left; return how many messages.

    Idempotent: repeat until the result is 0. Bodies are noted for the sweep before their messages are deleted. Rows of mailboxes
    that the user deleted before are purged when their undelete window is over.

    Raises:
        Unavailable: the store is unreachable.

    """
    messages = store.collection(MESSAGES)
    with unavailable_when_away():
        rows = await messages.find({"account": account}, {"_id": 1, "blob": 1}).limit(limit).to_list()
        if rows:
            await BodyChecks(store).note([row["blob"] for row in rows], clock())
            ids = {"$in": [row["_id"] for row in rows]}
            await messages.delete_many({"_id": ids, "account": account}, hint=BY_ID)
        else:
            await store.collection(MAILBOXES).delete_many({"account": account})
            await store.collection(ACCOUNTS).delete_one({"_id": account})
    return len(rows)
