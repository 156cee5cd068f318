"""The collection `grants`: who may send mail as an address of the same tenant, or on behalf of it.

| field | holds |
|---|---|
| `_id` | ObjectId |
| `tenant`, `account` | the account that may send: slug, and its id. Erasing an account or a tenant deletes by these |
| `address` | the address that it may use, in lookup form; unique for an account. Removing the address deletes by it |
| `kind` | send-as, send-on-behalf |
| `created_at` | |
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.cache import CacheLimits, Monotonic, TtlCache
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "grants"
MAX_GRANTS = 200  # of an account
INDEXES = (
    IndexModel([("account", ASCENDING), ("address", ASCENDING)], name="account", unique=True),
    IndexModel([("tenant", ASCENDING), ("address", ASCENDING)], name="address"),
)


class GrantKind(StrEnum):
    """What a grant permits."""

    SEND_AS = "send-as"  # the address may stand in MAIL FROM and in all originator fields
    SEND_ON_BEHALF = "send-on-behalf"  # it may stand in From, with a Sender field that names the account


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission of an account to use an address."""

    tenant: str
    account: ObjectId
    address: Address
    kind: GrantKind


class Grants:
    """All queries on grants."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def put(self, grant: Grant, now: datetime) -> None:
        """Write a grant; it replaces one of another kind. Raises Unavailable."""
        query = {"tenant": grant.tenant, "account": grant.account, "address": grant.address.key}
        change = {"$set": {"kind": grant.kind}, "$setOnInsert": {"created_at": now}}
        with unavailable_when_away():
            await self._rows.update_one(query, change, upsert=True)

    async def of_account(self, tenant: str, account: ObjectId) -> Sequence[Grant]:
        """Read the grants of an account, by address. Raises Unavailable."""
        query = {"tenant": tenant, "account": account}
        with unavailable_when_away():
            rows = await self._rows.find(query).sort("address").to_list(MAX_GRANTS)
        return [grant_of(row) for row in rows]

    async def of_address(self, tenant: str, address: Address) -> Sequence[Grant]:
        """Read who may use an address. Raises Unavailable."""
        query = {"tenant": tenant, "address": address.key}
        with unavailable_when_away():
            rows = await self._rows.find(query).sort("account").to_list()
        return [grant_of(row) for row in rows]

    async def remove(self, tenant: str, account: ObjectId, address: Address) -> bool:
        """Delete a grant; False: there is no such grant. Raises Unavailable."""
        query = {"tenant": tenant, "account": account, "address": address.key}
        with unavailable_when_away():
            return (await self._rows.delete_one(query)).deleted_count == 1

    async def remove_of_address(
        self, tenant: str, address: Address, session: AsyncClientSession | None = None
    ) -> None:
        """Delete all grants of an address that is given up: its next owner gave no permission. Raises Unavailable."""
        query = {"tenant": tenant, "address": address.key}
        with unavailable_when_away():
            await self._rows.delete_many(query, session=session)


class KnownGrants:
    """The grants of accounts, with a cache: one query for each account and some seconds."""

    def __init__(
        self, store: Store, limits: CacheLimits | None = None, *, clock: Monotonic = time.monotonic
    ) -> None:
        """Read from `store`; `clock` gives seconds and never goes back."""
        limits = limits or CacheLimits()
        self._grants = Grants(store)
        self._seconds = limits.positive_seconds
        self._known: TtlCache[tuple[str, str], Mapping[str, GrantKind]] = TtlCache(limits.entries, clock)

    async def of(self, tenant: str, account: str) -> Mapping[str, GrantKind]:
        """Return what an account (its id in hex) may use, by address in lookup form. Raises Unavailable."""
        known = self._known.get((tenant, account))
        if known is None:
            found = await self._grants.of_account(tenant, ObjectId(account))
            known = {grant.address.key: grant.kind for grant in found}
            self._known.put((tenant, account), known, self._seconds)
        return known


def grant_of(row: Row) -> Grant:
    """Read a row."""
    return Grant(row["tenant"], row["account"], Address.parse(row["address"]), GrantKind(row["kind"]))
