"""The collection `tenants`.

| field | holds |
|---|---|
| `_id` | slug |
| `name` | |
| `status` | active, no-sending, suspended; absent: active |
| `kind` | customer, reseller; absent: customer |
| `parent` | slug of the customer's reseller; absent: the provider itself |
| `limits` | limits of its plan by name (`plan.Resource`); absent, or no such name: no limit |
| `weight`, `overpromise` | of its plan; absent: 1, false |
| `language` | of mail to its people; absent: the installation's |
| `used` | what it has, by name (`plan.Counts`); of a reseller the sum of its customers. Absent: not counted yet |
| `plan_changes` | how often the plans of its customers have changed: a write, so that two changes at once conflict |
| `contact` | address that receives mail for postmaster@ and abuse@ of the tenant's domains; absent: none |
| `policy` | fields of its policy, each as text (`policy`); absent: none |
| `access_revision` | the access change that last ended sessions of the whole tenant; absent: none did |
| `created_at` | |

A tenant is erased by `_id`. `Provisioning` and `Removal` keep `used` of its reseller right.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.model import Tenant, TenantKind, TenantStatus
from mailyard.directory.plan import Counts, Limits, Plan
from mailyard.directory.policy import PolicyLevels
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import unavailable_outside

COLLECTION = "tenants"
INDEXES = (IndexModel([("parent", ASCENDING), ("_id", ASCENDING)], name="parent"),)
_RESELLER: Row = {
    "$lookup": {
        "from": COLLECTION,
        "localField": "parent",
        "foreignField": "_id",
        "pipeline": [{"$project": {"policy": True}}],
        "as": "reseller",
    }
}


@dataclass(frozen=True, slots=True)
class CountedTenant:
    """A tenant with what it has; `used` is None before it was counted."""

    tenant: Tenant
    used: Counts | None


class Tenants:
    """All queries on tenants."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, tenant: Tenant, now: datetime, session: AsyncClientSession) -> None:
        """Write a new tenant; DuplicateKeyError: it exists."""
        row: Row = {
            "_id": tenant.id,
            "name": tenant.name,
            "status": tenant.status,
            "kind": tenant.kind,
            "created_at": now,
            "used": asdict(Counts()),
            **{name: value for name, value in fields_of(tenant).items() if value is not None},
        }
        await self._rows.insert_one(row, session=session)

    async def get(self, tenant: str, session: AsyncClientSession | None = None) -> Tenant | None:
        """Read one. Raises Unavailable."""
        counted = await self.counted(tenant, session)
        return counted.tenant if counted else None

    async def counted(self, tenant: str, session: AsyncClientSession | None = None) -> CountedTenant | None:
        """Read one with what it has. Raises Unavailable."""
        with unavailable_outside(session):
            row = await self._rows.find_one({"_id": tenant}, session=session)
        return counted_of(row) if row else None

    async def list(self) -> list[Tenant]:
        """Read all, by id. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({}).sort("_id").to_list()
        return [tenant_of(row) for row in rows]

    async def customers(
        self, reseller: str, session: AsyncClientSession | None = None
    ) -> Sequence[CountedTenant]:
        """Read the customers of a reseller, by id. Raises Unavailable."""
        with unavailable_outside(session):
            rows = await self._rows.find({"parent": reseller}, session=session).sort("_id").to_list()
        return [counted_of(row) for row in rows]

    async def change(self, tenant: str, changed: Row, session: AsyncClientSession | None = None) -> bool:
        """Replace fields, None removes one; False: no such tenant. Access is taken away by `suspend`. Raises Unavailable."""
        with unavailable_outside(session):
            return await self._update(tenant, changed, session)

    async def hold(self, reseller: str, session: AsyncClientSession) -> bool:
        """Make other changes of the plans of this reseller's customers wait; False: no such reseller."""
        query = {"_id": reseller, "kind": TenantKind.RESELLER}
        result = await self._rows.update_one(query, {"$inc": {"plan_changes": 1}}, session=session)
        return result.matched_count == 1

    async def use(self, tenant: str, more: Counts, session: AsyncClientSession) -> CountedTenant | None:
        """Add to what a tenant has, and return it; None: no such tenant, or it was not counted yet."""
        change = {"$inc": {f"used.{name}": number for name, number in asdict(more).items()}}
        row = await self._rows.find_one_and_update(
            {"_id": tenant, "used": {"$exists": True}},
            change,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return counted_of(row) if row else None

    async def set_used(self, tenant: str, used: Counts, session: AsyncClientSession) -> None:
        """Write what a tenant has."""
        await self._update(tenant, {"used": asdict(used)}, session)

    async def policies(self, tenants: Collection[str]) -> dict[str, PolicyLevels]:
        """Read the policies of tenants and their resellers, by slug. Raises Unavailable."""
        stages: list[Row] = [
            {"$match": {"_id": {"$in": list(tenants)}}},
            {"$project": {"policy": True, "parent": True}},
            _RESELLER,
        ]
        with unavailable_when_away():
            rows = await (await self._rows.aggregate(stages)).to_list()
        return {row["_id"]: _levels_of(row) for row in rows}

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


def fields_of(tenant: Tenant) -> Row:
    """Return the optional fields of a tenant's row; None: absent."""
    plan = tenant.plan
    limits = {name: limit for name, limit in asdict(plan.limits).items() if limit is not None}
    return {
        "contact": str(tenant.contact) if tenant.contact is not None else None,
        "parent": tenant.parent or None,
        "limits": limits or None,
        "weight": plan.weight if plan.weight != 1 else None,
        "overpromise": plan.overpromise or None,
        "language": tenant.language or None,
    }


def tenant_of(row: Row) -> Tenant:
    """Read a row; rows of 0.2.0 have a slug and a name only."""
    limits: Row = row.get("limits", {})
    return Tenant(
        row["_id"],
        row["name"],
        TenantStatus(row.get("status", TenantStatus.ACTIVE)),
        Address.parse(row["contact"]) if "contact" in row else None,
        kind=TenantKind(row.get("kind", TenantKind.CUSTOMER)),
        parent=row.get("parent", ""),
        plan=Plan(
            Limits(**{each.name: limits.get(each.name) for each in fields(Limits)}),
            row.get("weight", 1),
            row.get("overpromise", False),
        ),
        language=row.get("language", ""),
    )


def counted_of(row: Row) -> CountedTenant:
    """Read a row with its counts."""
    used: Row | None = row.get("used")
    counts = (
        None if used is None else Counts(**{each.name: used.get(each.name, 0) for each in fields(Counts)})
    )
    return CountedTenant(tenant_of(row), counts)


def _levels_of(row: Row) -> PolicyLevels:
    reseller: Row = next(iter(row["reseller"]), {})
    return PolicyLevels({}, row.get("policy", {}), reseller.get("policy", {}))
