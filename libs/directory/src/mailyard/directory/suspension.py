"""Suspends and resumes accounts, domains and tenants; open sessions end within seconds on every process."""

from collections.abc import Awaitable, Callable

from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.accesslog import AccessLog, Action, Scope, Subject
from mailyard.directory.errors import Invalid, NotFound
from mailyard.directory.model import Account, AccountStatus, Domain, DomainStatus, Tenant, TenantStatus
from mailyard.directory.names import domain_name, mail_address
from mailyard.directory.provisioning import Provisioning
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction


class Suspension:
    """Each method raises DirectoryError or Unavailable, and changes nothing when repeated."""

    def __init__(self, store: Store, directory: Provisioning, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._log = AccessLog(store)

    async def suspend_account(self, tenant: str, address: str, *, refuse_mail: bool = False) -> Account:
        """Refuse logins to an account; it still receives mail unless `refuse_mail`."""
        account = await self._directory.require_account(tenant, mail_address(address))
        status = AccountStatus.DISABLED if refuse_mail else AccountStatus.SUSPENDED
        await self._take_away(
            Subject(Scope.ACCOUNT, str(account.id), tenant),
            lambda revision, session: self._directory.accounts.close(
                tenant, account.address, status, revision, session
            ),
        )
        return await self._directory.require_account(tenant, account.address)

    async def resume_account(self, tenant: str, address: str) -> Account:
        """Make an account active."""
        parsed = mail_address(address)
        await self._directory.accounts.change(tenant, parsed, {"status": AccountStatus.ACTIVE})
        return await self._directory.require_account(tenant, parsed)

    async def suspend_domain(self, tenant: str, name: str) -> Domain:
        """Refuse mail for a domain and logins to its accounts."""
        domain = await self._directory.require_domain(tenant, domain_name(name))
        await self._take_away(
            Subject(Scope.DOMAIN, domain.name, tenant),
            lambda revision, session: self._directory.domains.suspend(tenant, domain.name, revision, session),
        )
        return await self._directory.require_domain(tenant, domain.name)

    async def resume_domain(self, tenant: str, name: str) -> Domain:
        """Make a suspended domain active; accounts that were suspended one by one stay suspended.

        A domain whose ownership was never verified is unverified again.
        """
        domain = await self._directory.require_domain(tenant, domain_name(name))
        if domain.status is DomainStatus.SUSPENDED:
            status = DomainStatus.UNVERIFIED if domain.verification else DomainStatus.ACTIVE
            await self._directory.domains.change(tenant, domain.name, {"status": status})
        return await self._directory.require_domain(tenant, domain.name)

    async def suspend_tenant(self, tenant: str) -> Tenant:
        """Refuse mail for the domains of a tenant and logins to its accounts; of a reseller, those of all its customers."""

        async def suspend(session: AsyncClientSession) -> None:
            customers = await self._directory.tenants.customers(tenant, session)
            subjects = [
                Subject(Scope.TENANT, slug, slug)
                for slug in (*(each.tenant.id for each in customers), tenant)
            ]
            revision = await self._log.add_many(subjects, Action.SUSPENDED, self._clock(), session)
            if not await self._directory.tenants.suspend(tenant, revision, session):
                raise NotFound(f"there is no tenant {tenant}")

        await in_transaction(self._store, suspend)
        return await self._directory.require_tenant(tenant)

    async def stop_sending(self, tenant: str) -> Tenant:
        """Refuse what accounts of a tenant submit, or of all customers of a reseller; they receive and read on."""
        before = await self._directory.require_tenant(tenant)
        if before.status is TenantStatus.SUSPENDED:
            raise Invalid(f"the tenant {tenant} is suspended, and sends nothing: resume it first")
        return await self._set_status(tenant, TenantStatus.NO_SENDING)

    async def resume_tenant(self, tenant: str) -> Tenant:
        """Make a tenant active; domains and accounts that were suspended one by one stay suspended."""
        return await self._set_status(tenant, TenantStatus.ACTIVE)

    async def _set_status(self, tenant: str, status: TenantStatus) -> Tenant:
        """Change a status that ends no session; caches drop the old one within seconds."""

        async def change(session: AsyncClientSession) -> None:
            if not await self._directory.tenants.change(tenant, {"status": status}, session):
                raise NotFound(f"there is no tenant {tenant}")
            await self._log.add_policy_change(session)

        await in_transaction(self._store, change)
        return await self._directory.require_tenant(tenant)

    async def _take_away(
        self, subject: Subject, write: Callable[[int, AsyncClientSession], Awaitable[bool]]
    ) -> None:
        async def both(session: AsyncClientSession) -> None:
            revision = await self._log.add(subject, Action.SUSPENDED, self._clock(), session)
            if not await write(revision, session):
                raise NotFound(f"the {subject.scope} {subject.name} was removed meanwhile")

        await in_transaction(self._store, both)
