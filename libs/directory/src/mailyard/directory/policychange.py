"""Shows and changes the policies of tenants and domains; a change is validated, and in force within seconds everywhere."""

from collections.abc import Mapping

from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.accesslog import AccessLog
from mailyard.directory.errors import NotFound
from mailyard.directory.names import domain_name
from mailyard.directory.policy import NO_LEVELS, DomainPolicy, PolicyLevels, TenantPolicy, changed_texts
from mailyard.directory.provisioning import Provisioning
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

Texts = dict[str, str]


class PolicyChange:
    """Policies as they are stored: by field, in text. Each method raises DirectoryError or Unavailable.

    A change and its note for all who cache policies are one transaction.
    """

    def __init__(self, store: Store, directory: Provisioning) -> None:
        self._store = store
        self._directory = directory
        self._log = AccessLog(store)

    async def of_tenant(self, tenant: str) -> Texts:
        """Return what a tenant's own policy says."""
        return dict((await self.levels_of_tenant(tenant)).tenant)

    async def levels_of_tenant(self, tenant: str) -> PolicyLevels:
        """Return what a tenant's own policy says, and what its reseller's says."""
        await self._directory.require_tenant(tenant)
        return (await self._directory.tenants.policies([tenant])).get(tenant, NO_LEVELS)

    async def of_domain(self, tenant: str, name: str) -> PolicyLevels:
        """Return what a domain's own policy says, what its tenant's says, and what its reseller's says."""
        domain = await self._directory.require_domain(tenant, domain_name(name))
        found = (await self._directory.domains.entry_by_names([domain.name])).get(domain.name, domain)
        return found.levels

    async def set_tenant(self, tenant: str, changes: Mapping[str, str]) -> Texts:
        """Change fields of a tenant's policy; an empty text removes one."""
        tenants = self._directory.tenants

        async def change(session: AsyncClientSession) -> Texts:
            before = await tenants.policy(tenant, session)
            if before is None:
                raise NotFound(f"there is no tenant {tenant}")
            after = changed_texts(TenantPolicy, before, changes)
            await tenants.set_policy(tenant, after, session)
            await self._log.add_policy_change(session)
            return after

        return await in_transaction(self._store, change)

    async def set_domain(self, tenant: str, name: str, changes: Mapping[str, str]) -> Texts:
        """Change fields of a domain's policy; an empty text removes one."""
        domain = domain_name(name)
        domains = self._directory.domains

        async def change(session: AsyncClientSession) -> Texts:
            before = await domains.policy(tenant, domain, session)
            if before is None:
                raise NotFound(f"the tenant {tenant} has no domain {domain}")
            after = changed_texts(DomainPolicy, before, changes)
            await domains.set_policy(tenant, domain, after, session)
            await self._log.add_policy_change(session)
            return after

        return await in_transaction(self._store, change)
