"""Keeps tenants and their resellers within the limits of their plans (`plan`).

What a tenant has is counted in its row and in its reseller's, in the transaction of the change. Changes of one tenant
conflict there, so the server makes them wait for one another and two at once cannot exceed a limit together. `audit`
counts anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.accounts import Accounts
from mailyard.directory.domains import Domains
from mailyard.directory.errors import LimitReached, NotFound
from mailyard.directory.model import Tenant
from mailyard.directory.plan import (
    COUNTED,
    Counts,
    Resource,
    Share,
    check_promises,
    check_use,
    promised_by,
)
from mailyard.directory.tenants import CountedTenant, Tenants
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction


@dataclass(frozen=True, slots=True)
class Correction:
    """The result of counting one tenant anew; `before` is None where it was not counted yet."""

    tenant: str
    before: Counts | None
    after: Counts


class LimitPool:
    """Methods with a session take part in the transaction of a change. Each raises DirectoryError or Unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tenants = Tenants(store)
        self._domains = Domains(store)
        self._accounts = Accounts(store)

    async def use(
        self, tenant: str, more: Counts, session: AsyncClientSession, *, without_quota: bool = False
    ) -> None:
        """Count a change that has been written in the same transaction. Raises LimitReached.

        `without_quota`: the change leaves an account without a quota, which a limit of storage does not permit.
        """
        counted = await self._use(tenant, more, session)
        levels = [counted]
        if counted.tenant.parent:
            levels.append(await self._use(counted.tenant.parent, more, session))
        grown = [each for each in COUNTED if (more.of(each) or 0) > 0]
        for level in levels:
            check_use(level.tenant.id, level.tenant.plan.limits, level.used or Counts(), grown)
        if without_quota:
            _refuse_without_quota([each.tenant for each in levels], f"every account of {tenant}")

    async def check_plan(self, tenant: str, session: AsyncClientSession) -> None:
        """Check all limits around a tenant whose plan or parent has been written. Raises LimitReached."""
        found = await self._counted(tenant, session)
        plan = found.tenant.plan
        check_use(tenant, plan.limits, found.used or Counts())
        customers = await self._tenants.customers(tenant, session)
        check_promises(tenant, plan, [each.tenant.plan.limits for each in customers])
        levels = [found.tenant]
        if found.tenant.parent:
            levels.append(await self._check_parent(found.tenant.parent, session))
        if any(each.plan.limits.storage_bytes is not None for each in levels):
            for each in customers or [found]:
                address = await self._accounts.without_quota(each.tenant.id, session)
                if address is not None:
                    _refuse_without_quota(levels, f"the account {address}")

    async def shares(self, tenant: str) -> list[Share]:
        """Return the limits of a tenant with what is promised and used."""
        found = await self._tenants.counted(tenant)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        customers = [each.tenant.plan.limits for each in await self._tenants.customers(tenant)]
        used = found.used
        return [
            Share(
                resource,
                found.tenant.plan.limits.of(resource),
                promised_by(customers, resource),
                None if used is None else used.of(resource),
            )
            for resource in Resource
        ]

    async def audit(self, tenant: str) -> list[Correction]:
        """Count a tenant anew, the customers of a reseller before itself; return those whose counts were wrong."""
        found = await self._tenants.get(tenant)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        customers = [each.tenant.id for each in await self._tenants.customers(tenant)]
        wrong: list[Correction] = []
        for each in [*customers, tenant, *([found.parent] if found.parent else [])]:
            correction = await in_transaction(self._store, partial(self._recount, each))
            if correction.before != correction.after:
                wrong.append(correction)
        return wrong

    async def recount(self, tenant: str, session: AsyncClientSession) -> Counts:
        """Count a tenant anew within a transaction."""
        return (await self._recount(tenant, session)).after

    async def _use(self, tenant: str, more: Counts, session: AsyncClientSession) -> CountedTenant:
        counted = await self._tenants.use(tenant, more, session)
        return counted or await self._counted(tenant, session)

    async def _counted(self, tenant: str, session: AsyncClientSession) -> CountedTenant:
        """Read a tenant, and count it first if it was never counted: it was added by an earlier version."""
        found = await self._tenants.counted(tenant, session)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        if found.used is not None:
            return found
        return CountedTenant(found.tenant, await self.recount(tenant, session))

    async def _check_parent(self, reseller: str, session: AsyncClientSession) -> Tenant:
        found = await self._counted(reseller, session)
        customers = await self._tenants.customers(reseller, session)
        check_promises(reseller, found.tenant.plan, [each.tenant.plan.limits for each in customers])
        check_use(reseller, found.tenant.plan.limits, found.used or Counts())
        return found.tenant

    async def _recount(self, tenant: str, session: AsyncClientSession) -> Correction:
        """Count and write: the write conflicts with every change that is under way, and one of the two is repeated."""
        found = await self._tenants.counted(tenant, session)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        after = await self._count(tenant, session)
        for customer in await self._tenants.customers(tenant, session):
            after += (
                customer.used if customer.used is not None else await self._count(customer.tenant.id, session)
            )
        await self._tenants.set_used(tenant, after, session)
        return Correction(tenant, found.used, after)

    async def _count(self, tenant: str, session: AsyncClientSession) -> Counts:
        accounts, quotas = await self._accounts.count(tenant, session)
        return Counts(await self._domains.count(tenant, session), accounts, quotas)


def _refuse_without_quota(levels: Sequence[Tenant], what: str) -> None:
    for tenant in levels:
        limit = tenant.plan.limits.storage_bytes
        if limit is not None:
            raise LimitReached(
                f"the tenant {tenant.id} has a limit of {limit} {Resource.STORAGE.words}: {what} needs a quota"
            )
