"""The collection `domains`: `_id` (name), `tenant`, `status`, `catch_all` (address, absent: none), `created_at`."""

from collections.abc import Collection
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from mailyard.directory.errors import AlreadyExists
from mailyard.directory.model import Domain, DomainStatus
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "domains"
INDEXES = (IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant"),)


class Domains:
    """All queries on domains."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, domain: Domain, now: datetime) -> None:
        """Write a new domain. Raises AlreadyExists, Unavailable."""
        row: Row = {"_id": domain.name, "tenant": domain.tenant, "status": domain.status, "created_at": now}
        if domain.catch_all is not None:
            row["catch_all"] = str(domain.catch_all)
        try:
            with unavailable_when_away():
                await self._rows.insert_one(row)
        except DuplicateKeyError:
            raise AlreadyExists(f"the domain {domain.name} is taken") from None

    async def get(self, tenant: str, name: str) -> Domain | None:
        """Read one of a tenant. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one({"_id": name, "tenant": tenant})
        return domain_of(row) if row else None

    async def list(self, tenant: str) -> list[Domain]:
        """Read all of a tenant, by name. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({"tenant": tenant}).sort("_id").to_list()
        return [domain_of(row) for row in rows]

    async def entry_by_names(self, names: Collection[str]) -> dict[str, Domain]:
        """Find whose domains these are: the way from an SMTP command to a tenant. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({"_id": {"$in": list(names)}}).to_list()
        return {row["_id"]: domain_of(row) for row in rows}


def domain_of(row: Row) -> Domain:
    """Read a row."""
    catch_all = Address.parse(row["catch_all"]) if "catch_all" in row else None
    return Domain(row["_id"], row["tenant"], DomainStatus(row["status"]), catch_all)
