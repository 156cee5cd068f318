"""The collection `accounts`.

| field | holds |
|---|---|
| `_id` | ObjectId, the account's id everywhere |
| `tenant` | slug |
| `key`, `address` | its address, for looking up and for showing; the same key stands in `addresses` |
| `domain` | of its address; absent in rows of 0.2.0 until `mailyard setup` adds it (`rowupgrade`) |
| `status` | active, suspended, disabled |
| `name` | of the person or the machine; absent: none |
| `quota_bytes` | absent: no limit |
| `password` | argon2id in PHC form, or an imported hash (`passwordschemes`) until its first login |
| `main_password_off` | protocols that the main password does not open: imap, pop3, smtp; absent: none |
| `access_revision` | the access change (`accesslog`) that last ended its sessions; absent: none did |
| `created_at`, `password_changed_at` | |
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.model import Account, AccountStatus, LoginEntry
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "accounts"
INDEXES = (
    IndexModel([("key", ASCENDING)], name="login", unique=True),
    IndexModel([("tenant", ASCENDING), ("key", ASCENDING)], name="tenant"),
    IndexModel([("tenant", ASCENDING), ("status", ASCENDING), ("_id", ASCENDING)], name="age"),
    IndexModel([("tenant", ASCENDING), ("domain", ASCENDING), ("key", ASCENDING)], name="domain"),
    IndexModel([("tenant", ASCENDING), ("quota_bytes", ASCENDING)], name="quotas"),
)
_WITHOUT_PASSWORD = {"password": False}


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
            "domain": account.address.domain,
            "status": account.status,
            "password": password,
            "created_at": now,
            "password_changed_at": now,
        }
        if account.quota_bytes is not None:
            row["quota_bytes"] = account.quota_bytes
        if account.name:
            row["name"] = account.name
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

    async def list_portion(self, tenant: str, domain: str, limit: int) -> Sequence[Account]:
        """Read some accounts of one domain of a tenant. Raises Unavailable."""
        query = {
            "tenant": tenant,
            "domain": {"$in": [domain, None]},
            "key": {"$regex": f"@{re.escape(domain)}$"},
        }
        with unavailable_when_away():
            rows = await self._rows.find(query, _WITHOUT_PASSWORD).limit(limit).to_list()
        return [account_of(row) for row in rows]

    async def count(self, tenant: str, session: AsyncClientSession) -> tuple[int, int]:
        """Count the accounts of a tenant, and add up their quotas."""
        stages: list[Row] = [
            {"$match": {"tenant": tenant}},
            {"$project": {"_id": False, "tenant": True, "quota_bytes": True}},
            {"$group": {"_id": None, "accounts": {"$sum": 1}, "octets": {"$sum": "$quota_bytes"}}},
        ]
        rows = await (await self._rows.aggregate(stages, session=session)).to_list()
        return (rows[0]["accounts"], rows[0]["octets"]) if rows else (0, 0)

    async def without_quota(self, tenant: str, session: AsyncClientSession) -> str | None:
        """Return the address of one account of a tenant that has no quota; None: each has one."""
        query = {"tenant": tenant, "quota_bytes": None}
        row = await self._rows.find_one(query, {"address": True}, session=session)
        return None if row is None else str(row["address"])

    async def oldest_active(self, tenant: str) -> Account | None:
        """Read the account of a tenant that was added first and is active. Raises Unavailable."""
        query = {"tenant": tenant, "status": AccountStatus.ACTIVE}
        with unavailable_when_away():
            row = await self._rows.find_one(query, _WITHOUT_PASSWORD, sort=[("_id", ASCENDING)])
        return account_of(row) if row else None

    async def set_password(
        self, tenant: str, address: Address, password: str, revision: int, session: AsyncClientSession
    ) -> bool:
        """Replace the password's hash by an access change; False: no such account in this tenant."""
        change = {
            "$set": {"password": password, "access_revision": revision},
            "$currentDate": {"password_changed_at": True},
        }
        query = {"tenant": tenant, "key": address.key}
        return (await self._rows.update_one(query, change, session=session)).matched_count == 1

    async def set_main_password_off(
        self,
        tenant: str,
        address: Address,
        scopes: Sequence[str] | None,
        revision: int,
        session: AsyncClientSession,
    ) -> bool:
        """Replace the protocols that the main password does not open, by an access change; False: no such account."""
        changed = {"main_password_off": scopes, "access_revision": revision}
        return await self._update(tenant, address, changed, session)

    async def close(
        self, tenant: str, address: Address, status: AccountStatus, revision: int, session: AsyncClientSession
    ) -> bool:
        """Suspend or disable by an access change; False: no such account in this tenant."""
        changed = {"status": status, "access_revision": revision}
        return await self._update(tenant, address, changed, session)

    async def change(self, tenant: str, address: Address, changed: Row) -> bool:
        """Replace fields, None removes one; False: no such account. Access is taken away by `close`. Raises Unavailable."""
        with unavailable_when_away():
            return await self._update(tenant, address, changed)

    async def exchange(
        self, tenant: str, address: Address, changed: Row, session: AsyncClientSession
    ) -> Account | None:
        """Replace fields, None removes one; return the account as it was, None: no such account."""
        query = {"tenant": tenant, "key": address.key}
        row = await self._rows.find_one_and_update(
            query, update_of(changed), _WITHOUT_PASSWORD, session=session
        )
        return account_of(row) if row else None

    async def take(self, tenant: str, account: ObjectId, session: AsyncClientSession) -> Row | None:
        """Delete a row and return it, None: no such account in this tenant."""
        return await self._rows.find_one_and_delete({"_id": account, "tenant": tenant}, session=session)

    async def put_back(self, row: Row, session: AsyncClientSession) -> None:
        """Write a row that `take` returned; DuplicateKeyError: the address has another account now."""
        await self._rows.insert_one({**row, "domain": account_of(row).address.domain}, session=session)

    async def add_domains(self, tenant: str) -> None:
        """Write the field `domain` where an earlier version left it out. Raises Unavailable."""
        query: dict[str, Any] = {"tenant": tenant, "domain": None}
        last = {"$arrayElemAt": [{"$split": ["$key", "@"]}, -1]}  # a quoted local part may have an @ too
        with unavailable_when_away():
            await self._rows.update_many(query, [{"$set": {"domain": last}}])

    async def renew_hash(self, tenant: str, account: ObjectId, old: str, new: str) -> None:
        """Replace a hash by a stronger one of the same password, unless it has changed. Raises Unavailable."""
        change = {"$set": {"password": new}}
        with unavailable_when_away():
            await self._rows.update_one({"_id": account, "tenant": tenant, "password": old}, change)

    async def entry_by_login(self, login: Address) -> LoginEntry | None:
        """Find the account of a login name, in all tenants. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one({"key": login.key})
        if row is None:
            return None
        off = frozenset(row.get("main_password_off", ()))
        return LoginEntry(account_of(row), row["password"], row.get("access_revision", 0), off)

    async def _update(
        self, tenant: str, address: Address, changed: Row, session: AsyncClientSession | None = None
    ) -> bool:
        query = {"tenant": tenant, "key": address.key}
        return (await self._rows.update_one(query, update_of(changed), session=session)).matched_count == 1


def account_of(row: Row) -> Account:
    """Read a row."""
    return Account(
        id=row["_id"],
        tenant=row["tenant"],
        address=Address.parse(row["address"]),
        status=AccountStatus(row["status"]),
        quota_bytes=row.get("quota_bytes"),
        name=row.get("name", ""),
        main_password_off=tuple(row.get("main_password_off", ())),
    )
