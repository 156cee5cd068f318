"""The collection `tenants`: `_id` (slug), `name`, `created_at`."""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from mailyard.directory.errors import AlreadyExists
from mailyard.directory.model import Tenant
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "tenants"


class Tenants:
    """All queries on tenants."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, tenant: Tenant, now: datetime) -> None:
        """Write a new tenant. Raises AlreadyExists, Unavailable."""
        row: Row = {"_id": tenant.id, "name": tenant.name, "created_at": now}
        try:
            with unavailable_when_away():
                await self._rows.insert_one(row)
        except DuplicateKeyError:
            raise AlreadyExists(f"the tenant {tenant.id} exists") from None

    async def get(self, tenant: str) -> Tenant | None:
        """Read one. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one({"_id": tenant})
        return tenant_of(row) if row else None

    async def list(self) -> list[Tenant]:
        """Read all, by id. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({}).sort("_id").to_list()
        return [tenant_of(row) for row in rows]


def tenant_of(row: Row) -> Tenant:
    """Read a row."""
    return Tenant(row["_id"], row["name"])
