"""The collection `removed_accounts`: accounts whose mail is kept for a while, then deleted.

| field | holds |
|---|---|
| `_id`, `tenant`, `key`, `address` | as in `accounts` |
| `account` | the row of `accounts`, as it was |
| `removed_at` | |
| `purge_at` | when its mailboxes are deleted, and after that looked at again |
| `purged` | their deletion has begun; absent: they are kept |
| `until` | when the row itself goes: mail that was queued at the removal may come until then |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "removed_accounts"
INDEXES = (
    IndexModel([("purge_at", ASCENDING)], name="purge"),
    IndexModel([("tenant", ASCENDING), ("key", ASCENDING), ("removed_at", DESCENDING)], name="tenant"),
)
STRAGGLERS = timedelta(days=14)  # longer than any message stays in the queue


@dataclass(frozen=True, slots=True)
class RemovedAccount:
    """A removed account, and when its mail and its row go."""

    id: ObjectId
    tenant: str
    address: Address
    removed_at: datetime
    purge_at: datetime
    until: datetime


class RemovedAccounts:
    """All queries on removed accounts."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, account: Row, now: datetime, purge_at: datetime, session: AsyncClientSession) -> None:
        """Keep the row of an account that is being removed."""
        row: Row = {
            "_id": account["_id"],
            "tenant": account["tenant"],
            "key": account["key"],
            "address": account["address"],
            "account": account,
            "removed_at": now,
            "purge_at": purge_at,
            "until": max(now + STRAGGLERS, purge_at),
        }
        await self._rows.insert_one(row, session=session)

    async def list(self, tenant: str) -> list[RemovedAccount]:
        """Read those of a tenant whose mail is still kept, by address. Raises Unavailable."""
        query = {"tenant": tenant, "purged": {"$exists": False}}
        with unavailable_when_away():
            found = self._rows.find(query, {"account": False}).sort(
                [("key", ASCENDING), ("removed_at", DESCENDING)]
            )
            return [removed_of(row) for row in await found.to_list()]

    async def take(
        self, tenant: str, address: Address, now: datetime, session: AsyncClientSession
    ) -> Row | None:
        """Delete the latest one of this address whose mail is still kept, and return its row of `accounts`."""
        query = {
            "tenant": tenant,
            "key": address.key,
            "purge_at": {"$gt": now},
            "purged": {"$exists": False},
        }
        row = await self._rows.find_one_and_delete(query, sort=[("removed_at", DESCENDING)], session=session)
        return None if row is None else row["account"]

    async def entry_due(self, now: datetime) -> RemovedAccount | None:
        """Read one whose mail is due for deletion, of whichever tenant. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one(
                {"purge_at": {"$lte": now}}, {"account": False}, sort=[("purge_at", ASCENDING)]
            )
        return removed_of(row) if row else None

    async def begin_purge(self, removed: RemovedAccount) -> bool:
        """Mark the account so that it cannot be restored while its mailboxes are deleted; return whether it exists.

        The mark is needed because the clock of the process that restores an account may be behind. Raises Unavailable.
        """
        with unavailable_when_away():
            result = await self._rows.update_one(
                {"_id": removed.id, "tenant": removed.tenant}, {"$set": {"purged": True}}
            )
        return bool(result.matched_count)

    async def look_again(self, removed: RemovedAccount, at: datetime) -> None:
        """Note when to look for late mail. Raises Unavailable."""
        query = {"_id": removed.id, "tenant": removed.tenant}
        with unavailable_when_away():
            await self._rows.update_one(query, {"$set": {"purge_at": at}})

    async def forget(self, removed: RemovedAccount) -> None:
        """Delete the row: nothing of the account is left. Raises Unavailable."""
        with unavailable_when_away():
            await self._rows.delete_one({"_id": removed.id, "tenant": removed.tenant})


def removed_of(row: Row) -> RemovedAccount:
    """Read a row."""
    return RemovedAccount(
        id=row["_id"],
        tenant=row["tenant"],
        address=Address.parse(row["address"]),
        removed_at=row["removed_at"],
        purge_at=row["purge_at"],
        until=row["until"],
    )
