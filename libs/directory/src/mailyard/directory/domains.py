"""The collection `domains`.

| field | holds |
|---|---|
| `_id` | name, in lower case with A-labels |
| `tenant` | slug |
| `status` | active, suspended |
| `catch_all` | address that receives mail for unknown recipients; absent: none |
| `policy` | fields of its policy, each as text (`policy`); absent: none |
| `access_revision` | the access change that last ended sessions of the whole domain; absent: none did |
| `created_at` | |
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory import tenants
from mailyard.directory.errors import AlreadyExists
from mailyard.directory.model import Domain, DomainStatus, TenantStatus
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "domains"
INDEXES = (
    IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant"),
    IndexModel([("created_at", ASCENDING)], name="age"),
)


def _with_owner(*fields: str) -> Row:
    """Return the stage that adds fields of a domain's tenant, as `owner`."""
    return {
        "$lookup": {
            "from": tenants.COLLECTION,
            "localField": "tenant",
            "foreignField": "_id",
            "pipeline": [{"$project": dict.fromkeys(fields, True)}],
            "as": "owner",
        }
    }


_WITH_TENANT = (_with_owner("status", "contact"),)
_POLICIES = (
    _with_owner("policy"),
    {"$project": {"tenant": True, "policy": True, "tenant_policy": {"$first": "$owner.policy"}}},
)


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
        """Find domains by name, in all tenants. Raises Unavailable."""
        rows = await self.entry_rows(names, _WITH_TENANT)
        return {name: domain_of(row) for name, row in rows.items()}

    async def entry_oldest(self, limit: int) -> Sequence[str]:
        """Name the domains that were added first. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({}, {"_id": True}).sort("created_at").limit(limit).to_list()
        return [row["_id"] for row in rows]

    async def change(self, tenant: str, name: str, changed: Row) -> bool:
        """Replace fields, None removes one; False: no such domain. Access is taken away by `suspend`. Raises Unavailable."""
        with unavailable_when_away():
            return await self._update(tenant, name, changed)

    async def entry_policies(self, names: Collection[str]) -> dict[str, Row]:
        """Read `tenant`, `policy` and `tenant_policy` of domains, of whichever tenant, by name. Raises Unavailable."""
        return await self.entry_rows(names, _POLICIES)

    async def policy(self, tenant: str, name: str, session: AsyncClientSession) -> dict[str, str] | None:
        """Read a domain's own policy; None: no such domain in this tenant."""
        query = {"_id": name, "tenant": tenant}
        row = await self._rows.find_one(query, {"policy": True}, session=session)
        return None if row is None else row.get("policy", {})

    async def set_policy(
        self, tenant: str, name: str, policy: Mapping[str, str], session: AsyncClientSession
    ) -> None:
        """Replace a domain's own policy."""
        await self._update(tenant, name, {"policy": dict(policy) or None}, session)

    async def suspend(self, tenant: str, name: str, revision: int, session: AsyncClientSession) -> bool:
        """Suspend by an access change; False: no such domain in this tenant."""
        changed = {"status": DomainStatus.SUSPENDED, "access_revision": revision}
        return await self._update(tenant, name, changed, session)

    async def remove(self, tenant: str, name: str, session: AsyncClientSession) -> bool:
        """Delete the row; False: no such domain in this tenant."""
        result = await self._rows.delete_one({"_id": name, "tenant": tenant}, session=session)
        return result.deleted_count == 1

    async def entry_rows(self, names: Collection[str], stages: Sequence[Row]) -> dict[str, Row]:
        """Read domains by name, in all tenants, through these stages. Raises Unavailable."""
        with unavailable_when_away():
            cursor = await self._rows.aggregate([{"$match": {"_id": {"$in": list(names)}}}, *stages])
            return {row["_id"]: row async for row in cursor}

    async def _update(
        self, tenant: str, name: str, changed: Row, session: AsyncClientSession | None = None
    ) -> bool:
        query = {"_id": name, "tenant": tenant}
        return (await self._rows.update_one(query, update_of(changed), session=session)).matched_count == 1


def domain_of(row: Row) -> Domain:
    """Read a row, with `owner` of a lookup where it has one."""
    owner: Row = next(iter(row.get("owner", ())), {})
    return Domain(
        row["_id"],
        row["tenant"],
        DomainStatus(row["status"]),
        catch_all=Address.parse(row["catch_all"]) if "catch_all" in row else None,
        tenant_status=TenantStatus(owner.get("status", TenantStatus.ACTIVE)),
        contact=Address.parse(owner["contact"]) if "contact" in owner else None,
    )
