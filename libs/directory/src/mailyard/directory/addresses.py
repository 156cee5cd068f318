"""The collection `addresses`: the owner of each address. Its `_id` makes every address unique, over all tenants.

| field | holds |
|---|---|
| `_id` | the address in its lookup form (`Address.key`) |
| `tenant` | slug |
| `domain` | of the address; absent in rows of 0.2.0 until `mailyard setup` adds it (`rowupgrade`) |
| `account` | id of the account whose own address this is; absent for an alias |
| `address`, `targets` | an alias: how it is shown, and whom it stands for |
| `created_at` | |
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory import accounts
from mailyard.directory.accounts import account_of
from mailyard.directory.model import Account, Alias
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "addresses"
INDEXES = (
    IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant"),
    IndexModel([("targets", ASCENDING)], name="targets"),
    IndexModel([("tenant", ASCENDING), ("domain", ASCENDING), ("_id", ASCENDING)], name="domain"),
    IndexModel(
        [("tenant", ASCENDING), ("_id", ASCENDING)],
        name="aliases",
        partialFilterExpression={"targets": {"$exists": True}},
    ),
)
_WITH_ACCOUNT = {
    "$lookup": {
        "from": accounts.COLLECTION,
        "localField": "account",
        "foreignField": "_id",
        "let": {"tenant": "$tenant"},
        "pipeline": [
            {"$match": {"$expr": {"$eq": ["$tenant", "$$tenant"]}}},
            {"$project": {"password": False}},
        ],
        "as": "owner",
    }
}


class Addresses:
    """All queries on addresses."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add_account(self, account: Account, now: datetime, session: AsyncClientSession) -> None:
        """Claim an account's own address; DuplicateKeyError: it is taken."""
        row: Row = {
            "_id": account.address.key,
            "tenant": account.tenant,
            "domain": account.address.domain,
            "account": account.id,
            "created_at": now,
        }
        await self._rows.insert_one(row, session=session)

    async def add_alias(self, alias: Alias, now: datetime) -> None:
        """Claim an alias; DuplicateKeyError: it is taken. Raises Unavailable."""
        row: Row = {
            "_id": alias.address.key,
            "tenant": alias.tenant,
            "domain": alias.address.domain,
            "address": str(alias.address),
            "targets": [str(target) for target in alias.targets],
            "created_at": now,
        }
        with unavailable_when_away():
            await self._rows.insert_one(row)

    async def list_aliases(self, tenant: str) -> list[Alias]:
        """Read all aliases of a tenant, by address. Raises Unavailable."""
        with unavailable_when_away():
            found = self._rows.find({"tenant": tenant, "targets": {"$exists": True}})
            return [alias_of(row) for row in await found.sort("_id").to_list()]

    async def get_alias(self, tenant: str, address: Address) -> Alias | None:
        """Read an alias of a tenant. Raises Unavailable."""
        query = {"_id": address.key, "tenant": tenant, "targets": {"$exists": True}}
        with unavailable_when_away():
            row = await self._rows.find_one(query)
        return alias_of(row) if row else None

    async def set_targets(self, tenant: str, address: Address, targets: Sequence[Address]) -> bool:
        """Replace an alias's targets; False: no such alias in this tenant. Raises Unavailable."""
        query = {"_id": address.key, "tenant": tenant, "targets": {"$exists": True}}
        change = {"$set": {"targets": [str(target) for target in targets]}}
        with unavailable_when_away():
            return (await self._rows.update_one(query, change)).matched_count == 1

    async def remove_alias(self, tenant: str, address: Address) -> bool:
        """Delete an alias; False: no such alias in this tenant. Raises Unavailable."""
        query = {"_id": address.key, "tenant": tenant, "targets": {"$exists": True}}
        with unavailable_when_away():
            return (await self._rows.delete_one(query)).deleted_count == 1

    async def remove_account(self, account: Account, session: AsyncClientSession) -> None:
        """Give up an account's own address."""
        query = {"_id": account.address.key, "tenant": account.tenant, "account": account.id}
        await self._rows.delete_one(query, session=session)

    async def list_of_domain(
        self, tenant: str, domain: str, limit: int, *, only_aliases: bool = False
    ) -> Sequence[str]:
        """Name some addresses of a domain, of accounts and aliases, in lookup form; limit 0: all. Raises Unavailable."""
        query: dict[str, Any] = {
            "tenant": tenant,
            "domain": {"$in": [domain, None]},
            "_id": {"$regex": f"@{re.escape(domain)}$"},
        }
        if only_aliases:
            query["targets"] = {"$exists": True}
        with unavailable_when_away():
            rows = await self._rows.find(query, {"_id": True}).limit(limit).to_list()
        return [row["_id"] for row in rows]

    async def add_domains(self, tenant: str) -> None:
        """Write the field `domain` where an earlier version left it out. Raises Unavailable."""
        query: dict[str, Any] = {"tenant": tenant, "domain": None}
        last = {"$arrayElemAt": [{"$split": ["$_id", "@"]}, -1]}  # a quoted local part may have an @ too
        with unavailable_when_away():
            await self._rows.update_many(query, [{"$set": {"domain": last}}])

    async def entry_by_targets(self, targets: Collection[Address]) -> Sequence[Alias]:
        """Read the aliases, of whichever tenant, that have one of these targets. Raises Unavailable."""
        written = {form for target in targets for form in (str(target), target.key)}
        with unavailable_when_away():
            rows = await self._rows.find({"targets": {"$in": sorted(written)}}).to_list()
        return [alias_of(row) for row in rows]

    async def entry_by_keys(self, keys: Collection[str]) -> dict[str, Account | Alias]:
        """Find the owners of addresses, in all tenants, with one command.

        An address whose account does not exist in the address's own tenant is as good as absent.

        Raises:
            Unavailable: the store is unreachable.

        """
        pipeline: list[dict[str, Any]] = [{"$match": {"_id": {"$in": list(keys)}}}, _WITH_ACCOUNT]
        with unavailable_when_away():
            cursor = await self._rows.aggregate(pipeline)
            rows = await cursor.to_list()
        return {row["_id"]: _entry_of(row) for row in rows if row["owner"] or "targets" in row}


def alias_of(row: Row) -> Alias:
    """Read a row."""
    targets = tuple(Address.parse(target) for target in row["targets"])
    return Alias(Address.parse(row["address"]), row["tenant"], targets)


def _entry_of(row: Row) -> Account | Alias:
    return account_of(row["owner"][0]) if row["owner"] else alias_of(row)
