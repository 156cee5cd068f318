"""The collection `domains`.

| field | holds |
|---|---|
| `_id` | name, in lower case with A-labels |
| `tenant` | slug |
| `status` | active, unverified, suspended |
| `verification` | token that the DNS must show while the domain is unverified; absent: it was never asked for |
| `alias_of` | the domain of the same tenant whose addresses answer under this name; absent: it has its own |
| `alias_domains_added` | how often it got an alias domain: a write that conflicts with its removal |
| `catch_all` | address that receives mail for unknown recipients; absent: none |
| `policy` | fields of its policy, each as text (`policy`); absent: none |
| `access_revision` | the access change that last ended sessions of the whole domain; absent: none did |
| `created_at` | |
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory import tenants
from mailyard.directory.model import Domain, DomainStatus, TenantStatus, worse_of
from mailyard.directory.policy import PolicyLevels
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import unavailable_outside

COLLECTION = "domains"
INDEXES = (
    IndexModel([("tenant", ASCENDING), ("_id", ASCENDING)], name="tenant"),
    IndexModel([("created_at", ASCENDING)], name="age"),
    IndexModel([("tenant", ASCENDING), ("alias_of", ASCENDING), ("_id", ASCENDING)], name="alias_of"),
)


_OWNER: Row = {
    "$lookup": {
        "from": tenants.COLLECTION,
        "localField": "tenant",
        "foreignField": "_id",
        "pipeline": [
            {
                "$lookup": {
                    "from": tenants.COLLECTION,
                    "localField": "parent",
                    "foreignField": "_id",
                    "pipeline": [{"$project": {"status": True, "policy": True}}],
                    "as": "reseller",
                }
            },
            {"$project": {"status": True, "contact": True, "policy": True, "reseller": True}},
        ],
        "as": "owner",
    }
}
_TARGET: Row = {
    "$lookup": {"from": COLLECTION, "localField": "alias_of", "foreignField": "_id", "as": "target"}
}
_WITH_ALL = (_OWNER, _TARGET)


class Domains:
    """All queries on domains."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, domain: Domain, now: datetime, session: AsyncClientSession) -> None:
        """Write a new domain; DuplicateKeyError: it is taken."""
        row: Row = {"_id": domain.name, "tenant": domain.tenant, "status": domain.status, "created_at": now}
        if domain.catch_all is not None:
            row["catch_all"] = str(domain.catch_all)
        if domain.verification:
            row["verification"] = domain.verification
        if domain.alias_of:
            row["alias_of"] = domain.alias_of
        await self._rows.insert_one(row, session=session)

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
        """Find domains by name, in all tenants, with all that their tenants decide about them. Raises Unavailable."""
        rows = await self.entry_rows(names, _WITH_ALL)
        return {name: domain_of(row) for name, row in rows.items()}

    async def aliases_of(
        self, tenant: str, name: str, session: AsyncClientSession | None = None
    ) -> Sequence[str]:
        """Name the alias domains of a domain. Raises Unavailable."""
        query = {"tenant": tenant, "alias_of": name}
        with unavailable_outside(session):
            rows = await self._rows.find(query, {"_id": True}, session=session).sort("_id").to_list()
        return [row["_id"] for row in rows]

    async def verify(self, tenant: str, name: str, session: AsyncClientSession) -> bool:
        """Make an unverified domain active; False: no such domain in this tenant, or it is not unverified."""
        query = {"_id": name, "tenant": tenant, "status": DomainStatus.UNVERIFIED}
        change = {"$set": {"status": DomainStatus.ACTIVE}, "$unset": {"verification": ""}}
        return (await self._rows.update_one(query, change, session=session)).matched_count == 1

    async def count(self, tenant: str, session: AsyncClientSession) -> int:
        """Count the domains of a tenant."""
        return await self._rows.count_documents({"tenant": tenant}, session=session)

    async def hold(self, tenant: str, name: str, session: AsyncClientSession) -> bool:
        """Keep other transactions from removing a domain that gets an alias domain; False: no such domain of its own."""
        query = {"_id": name, "tenant": tenant, "alias_of": {"$exists": False}}
        change = {"$inc": {"alias_domains_added": 1}}
        return (await self._rows.update_one(query, change, session=session)).matched_count == 1

    async def entry_oldest(self, limit: int) -> Sequence[str]:
        """Name the domains that were added first. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({}, {"_id": True}).sort("created_at").limit(limit).to_list()
        return [row["_id"] for row in rows]

    async def change(self, tenant: str, name: str, changed: Row) -> bool:
        """Replace fields, None removes one; False: no such domain. Access is taken away by `suspend`. Raises Unavailable."""
        with unavailable_when_away():
            return await self._update(tenant, name, changed)

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
    """Read a row, with `owner` and `target` of look-ups where it has them."""
    owner: Row = next(iter(row.get("owner", ())), {})
    reseller: Row = next(iter(owner.get("reseller", ())), {})
    levels = PolicyLevels(row.get("policy", {}), owner.get("policy", {}), reseller.get("policy", {}))
    target: Row | None = next(iter(row.get("target", ())), None)
    return Domain(
        row["_id"],
        row["tenant"],
        DomainStatus(row["status"]),
        catch_all=Address.parse(row["catch_all"]) if "catch_all" in row else None,
        tenant_status=worse_of(_tenant_status(owner), _tenant_status(reseller)),
        contact=Address.parse(owner["contact"]) if "contact" in owner else None,
        alias_of=row.get("alias_of", ""),
        target=domain_of({**target, "owner": row.get("owner", ())}) if target else None,
        verification=row.get("verification", ""),
        separator=levels.separator,
        levels=levels,
        policy=levels.in_force(),
    )


def _tenant_status(row: Row) -> TenantStatus:
    return TenantStatus(row.get("status", TenantStatus.ACTIVE))
