"""Adds and changes tenants with their plans, so that the limits of tenants and resellers hold in one transaction."""

from collections.abc import Callable

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.model import Tenant, TenantKind, TenantStatus
from mailyard.directory.pool import LimitPool
from mailyard.directory.tenants import Tenants, fields_of
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction


class TenantPlans:
    """Each method raises DirectoryError or Unavailable."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tenants = Tenants(store)
        self._pool = LimitPool(store)

    async def add(self, tenant: Tenant) -> None:
        """Write a new tenant. Raises LimitReached: its reseller cannot promise so much."""
        _check_kind(tenant)

        async def write(session: AsyncClientSession) -> None:
            await self._hold(tenant.parent, session)
            await self._tenants.add(tenant, self._clock(), session)
            await self._pool.check_plan(tenant.id, session)

        try:
            await in_transaction(self._store, write)
        except DuplicateKeyError:
            raise AlreadyExists(f"the tenant {tenant.id} exists") from None

    async def change(self, slug: str, changed: Callable[[Tenant], Tenant]) -> None:
        """Replace name, contact, parent, plan and language. Raises LimitReached: more is promised or used already.

        `changed` returns the tenant with the changes; it may be called several times.
        """

        async def write(session: AsyncClientSession) -> None:
            before = await self._tenants.get(slug, session)
            if before is None:
                raise NotFound(f"there is no tenant {slug}")
            tenant = changed(before)
            _check_kind(tenant)
            for parent in dict.fromkeys((before.parent, tenant.parent)):
                await self._hold(parent, session)
            moved = tenant.parent != before.parent
            if moved:
                await self._refuse_suspended(tenant.parent, session)
            await self._tenants.change(tenant.id, {"name": tenant.name, **fields_of(tenant)}, session)
            if before.kind is TenantKind.RESELLER:
                await self._tenants.hold(tenant.id, session)
            for parent in (before.parent, tenant.parent) if moved else ():
                if parent:
                    await self._pool.recount(parent, session)
            await self._pool.check_plan(tenant.id, session)

        await in_transaction(self._store, write)

    async def _hold(self, parent: str, session: AsyncClientSession) -> None:
        if parent and not await self._tenants.hold(parent, session):
            raise NotFound(
                f"there is no reseller {parent}: add it with mailyard tenant add {parent} --reseller"
            )

    async def _refuse_suspended(self, parent: str, session: AsyncClientSession) -> None:
        """Sessions of the tenant would go on: only the change of a status ends them."""
        reseller = await self._tenants.get(parent, session) if parent else None
        if reseller is not None and reseller.status is not TenantStatus.ACTIVE:
            raise Invalid(
                f"the reseller {parent} is {reseller.status}: resume it before it gets another customer"
            )


def _check_kind(tenant: Tenant) -> None:
    if tenant.kind is TenantKind.RESELLER and tenant.parent:
        raise Invalid(f"{tenant.id} is a reseller: only customers belong to a reseller")
    if tenant.kind is TenantKind.CUSTOMER and tenant.plan.overpromise:
        raise Invalid(f"{tenant.id} is a customer: only a reseller may promise more than it has")
