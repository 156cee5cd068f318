"""The collection `accounts`.

| field | holds |
|---|---|
| `_id` | ObjectId, the account's id everywhere |
| `tenant` | slug |
| `key`, `address` | its address, for looking up and for showing; the same key stands in `addresses` |
| `status` | active, suspended, disabled |
| `quota_bytes` | absent: no limit |
| `password` | argon2id in PHC form |
| `created_at`, `password_changed_at` | |
"""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.model import Account, AccountStatus
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "accounts"
INDEXES = (
    IndexModel([("key", ASCENDING)], name="login", unique=True),
    IndexModel([("tenant", ASCENDING), ("key", ASCENDING)], name="tenant"),
)
_WITHOUT_PASSWORD = {"password": False}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account and the hash of its password."""

    account: Account
    password: str


class Accounts:
    """All queries on accounts."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, account: Account, password: str, now: datetime, session: AsyncClientSession) -> None:
        """Write a new account with its password's hash; the caller claims the address in the same transaction."""
        row: Row = {
            "_id": account.id,
            "tenant": account.tenant,
            "key": account.address.key,
            "address": str(account.address),
            "status": account.status,
            "password": password,
            "created_at": now,
            "password_changed_at": now,
        }
        if account.quota_bytes is not None:
            row["quota_bytes"] = account.quota_bytes
        await self._rows.insert_one(row, session=session)

    async def get(self, tenant: str, address: Address) -> Account | None:
        """Read one of a tenant. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one({"tenant": tenant, "key": address.key}, _WITHOUT_PASSWORD)
        return account_of(row) if row else None

    async def list(self, tenant: str) -> list[Account]:
        """Read all of a tenant, by address. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({"tenant": tenant}, _WITHOUT_PASSWORD).sort("key").to_list()
        return [account_of(row) for row in rows]

    async def set_password(self, tenant: str, address: Address, password: str, now: datetime) -> bool:
        """Replace the password's hash; False: no such account in this tenant. Raises Unavailable."""
        change = {"$set": {"password": password, "password_changed_at": now}}
        with unavailable_when_away():
            result = await self._rows.update_one({"tenant": tenant, "key": address.key}, change)
        return result.matched_count == 1

    async def renew_hash(self, tenant: str, account: ObjectId, old: str, new: str) -> None:
        """Replace a hash by a stronger one of the same password, unless it has changed. Raises Unavailable."""
        change = {"$set": {"password": new}}
        with unavailable_when_away():
            await self._rows.update_one({"_id": account, "tenant": tenant, "password": old}, change)

    async def entry_by_login(self, login: Address) -> Credentials | None:
        """Find who logs in: the way from a login name to a tenant. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one({"key": login.key})
        return Credentials(account_of(row), row["password"]) if row else None


def account_of(row: Row) -> Account:
    """Read a row."""
    return Account(
        id=row["_id"],
        tenant=row["tenant"],
        address=Address.parse(row["address"]),
        status=AccountStatus(row["status"]),
        quota_bytes=row.get("quota_bytes"),
    )
