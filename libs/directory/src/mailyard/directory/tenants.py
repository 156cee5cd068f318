"""The collection `tenants`.

| field | holds |
|---|---|
| `_id` | slug |
| `name` | |
| `status` | active, suspended; absent: active |
| `contact` | address that receives mail for postmaster@ and abuse@ of the tenant's domains; absent: none |
| `policy` | fields of its policy, each as text (`policy`); absent: none |
| `access_revision` | the access change that last ended sessions of the whole tenant; absent: none did |
| `created_at` | |
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.errors import AlreadyExists
from mailyard.directory.model import Tenant, TenantStatus
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "tenants"


class Tenants:
    """All queries on tenants."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, tenant: Tenant, now: datetime) -> None:
        """Write a new tenant. Raises AlreadyExists, Unavailable."""
        row: Row = {"_id": tenant.id, "name": tenant.name, "status": tenant.status, "created_at": now}
        if tenant.contact is not None:
            row["contact"] = str(tenant.contact)
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

    async def change(self, tenant: str, changed: Row) -> bool:
        """Replace fields, None removes one; False: no such tenant. Access is taken away by `suspend`. Raises Unavailable."""
        with unavailable_when_away():
            return await self._update(tenant, changed)

    async def policies(self, tenants: Collection[str]) -> dict[str, dict[str, str]]:
        """Read the policies of those tenants that have one, by slug. Raises Unavailable."""
        query = {"_id": {"$in": list(tenants)}, "policy": {"$exists": True}}
        with unavailable_when_away():
            rows = await self._rows.find(query, {"policy": True}).to_list()
        return {row["_id"]: row["policy"] for row in rows}

    async def policy(self, tenant: str, session: AsyncClientSession) -> dict[str, str] | None:
        """Read a policy; None: no such tenant."""
        row = await self._rows.find_one({"_id": tenant}, {"policy": True}, session=session)
        return None if row is None else row.get("policy", {})

    async def set_policy(self, tenant: str, policy: Mapping[str, str], session: AsyncClientSession) -> None:
        """Replace a policy."""
        await self._update(tenant, {"policy": dict(policy) or None}, session)

    async def suspend(self, tenant: str, revision: int, session: AsyncClientSession) -> bool:
        """Suspend by an access change; False: no such tenant."""
        changed = {"status": TenantStatus.SUSPENDED, "access_revision": revision}
        return await self._update(tenant, changed, session)

    async def remove(self, tenant: str, session: AsyncClientSession) -> bool:
        """Delete the row; False: no such tenant."""
        return (await self._rows.delete_one({"_id": tenant}, session=session)).deleted_count == 1

    async def _update(self, tenant: str, changed: Row, session: AsyncClientSession | None = None) -> bool:
        result = await self._rows.update_one({"_id": tenant}, update_of(changed), session=session)
        return result.matched_count == 1


def tenant_of(row: Row) -> Tenant:
    """Read a row; rows of 0.2.0 have neither status nor contact."""
    contact = Address.parse(row["contact"]) if "contact" in row else None
    return Tenant(row["_id"], row["name"], TenantStatus(row.get("status", TenantStatus.ACTIVE)), contact)
