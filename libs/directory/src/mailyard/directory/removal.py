"""Removes accounts, domains and tenants.

The address of a removed account is free at once. Its mail is kept for some days, in which the account can be restored,
and is then deleted by the router. Removing a domain or a tenant suspends it first and ends with its own row, so that
a removal that was interrupted has let nobody in meanwhile and can be repeated.
"""

from collections.abc import Sequence
from datetime import timedelta

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.accesslog import AccessLog, Action, Scope, Subject
from mailyard.directory.accounts import account_of
from mailyard.directory.dkim.keystore import DkimKeys
from mailyard.directory.errors import AlreadyExists, InUse, NotFound
from mailyard.directory.grants import Grants
from mailyard.directory.model import Account, Alias, Domain, Tenant
from mailyard.directory.names import domain_name, mail_address
from mailyard.directory.plan import Counts
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removed import RemovedAccounts
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

_AT_A_TIME = 100
_KEPT = timedelta(days=30)
_SHOWN = 5


class Removal:
    """Each method raises DirectoryError or Unavailable."""

    def __init__(self, store: Store, directory: Provisioning, suspension: Suspension, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._suspension = suspension
        self._clock = clock
        self._log = AccessLog(store)
        self._dkim_keys = DkimKeys(store)
        self._grants = Grants(store)
        self.removed = RemovedAccounts(store)

    async def remove_account(self, tenant: str, address: str, keep: timedelta | None) -> Account:
        """Remove an account. Raises InUse: aliases or others lead to it.

        `keep`: for how long its mail is kept; None: as the policy of its domain or tenant says.
        """
        account = await self.check_account(tenant, address)
        await self._remove(account, await self.mail_is_kept(account.address.domain, keep))
        return account

    async def mail_is_kept(self, domain: str, wanted: timedelta | None) -> timedelta:
        """Return for how long the mail of removed accounts is kept: as wanted, else by policy, else 30 days."""
        if wanted is not None:
            return wanted
        days = (await self._directory.policies.of_domain(domain)).removed_mail_days
        return _KEPT if days is None else timedelta(days=days)

    async def check_account(self, tenant: str, address: str) -> Account:
        """Return an account that may be removed. Raises InUse."""
        account = await self._directory.require_account(tenant, mail_address(address))
        await self._refuse_uses(tenant, [account.address])
        return account

    async def restore_account(self, tenant: str, address: str) -> Account:
        """Bring back the latest removed account of an address, with its password, settings and mail."""
        parsed = mail_address(address)
        await self._directory.require_domain(tenant, parsed.domain)

        async def both(session: AsyncClientSession) -> Account:
            now = self._clock()
            row = await self.removed.take(tenant, parsed, now, session)
            if row is None:
                raise NotFound(
                    f"the tenant {tenant} has no removed account {parsed} whose mail is still kept"
                )
            account = account_of(row)
            await self._directory.addresses.add_account(account, now, session)
            await self._directory.accounts.put_back(row, session)
            more = Counts(accounts=1, storage_bytes=account.quota_bytes or 0)
            without_quota = account.quota_bytes is None
            await self._directory.pool.use(tenant, more, session, without_quota=without_quota)
            return account

        try:
            return await in_transaction(self._store, both)
        except DuplicateKeyError:
            raise AlreadyExists(f"the address {parsed} has been given to somebody else") from None

    async def remove_alias(self, tenant: str, address: str) -> Alias:
        """Remove an alias; its address is free at once. Raises InUse: other aliases or others lead to it."""
        alias = await self._directory.require_alias(tenant, mail_address(address))
        await self._refuse_uses(tenant, [alias.address])
        await self._drop_alias(tenant, alias.address)
        return alias

    async def remove_domain(
        self, tenant: str, name: str, keep: timedelta | None, *, with_accounts: bool
    ) -> Domain:
        """Remove a domain; `with_accounts` removes its accounts and aliases too. Raises InUse without it."""
        domain = await self.check_domain(tenant, name, with_accounts=with_accounts)
        await self._suspension.suspend_domain(tenant, domain.name)
        await self._drop_domain(tenant, domain.name, keep)
        return domain

    async def check_domain(self, tenant: str, name: str, *, with_accounts: bool) -> Domain:
        """Return a domain that may be removed. Raises InUse."""
        domain = await self._directory.require_domain(tenant, domain_name(name))
        if names := await self._directory.domains.aliases_of(tenant, domain.name):
            raise InUse(f"the domain {domain.name} has alias domains: remove {_some(names)} first")
        addresses = await self._directory.addresses.list_of_domain(tenant, domain.name, _SHOWN + 1)
        if addresses and not with_accounts:
            raise InUse(
                f"the domain {domain.name} has {_some(addresses)};"
                " --with-accounts removes all its accounts and aliases"
            )
        await self._refuse_uses(tenant, await self._all_addresses(tenant, domain.name), inside=domain.name)
        return domain

    async def remove_tenant(self, tenant: str, keep: timedelta | None, *, with_domains: bool) -> Tenant:
        """Remove a tenant; `with_domains` removes its domains, accounts and aliases too. Raises InUse without it."""
        found = await self._directory.require_tenant(tenant)
        if customers := await self._directory.tenants.customers(tenant):
            names = [each.tenant.id for each in customers[: _SHOWN + 1]]
            raise InUse(f"the reseller {tenant} has the customers {_some(names)}: remove them first")
        domains = sorted(
            await self._directory.domains.list(tenant), key=lambda each: not each.alias_of
        )  # alias domains go first
        if domains and not with_domains:
            names = [domain.name for domain in domains[: _SHOWN + 1]]
            raise InUse(f"the tenant {tenant} has {_some(names)}; --with-domains removes all its domains")
        every = [each for domain in domains for each in await self._all_addresses(tenant, domain.name)]
        await self._refuse_uses(tenant, every, whole_tenant=True)
        await self._suspension.suspend_tenant(tenant)
        for domain in domains:
            await self._drop_domain(tenant, domain.name, keep)

        async def both(session: AsyncClientSession) -> None:
            if await self._directory.tenants.customers(tenant, session):
                raise InUse(f"the reseller {tenant} has got a customer meanwhile: remove it first")
            await self._log.add(Subject(Scope.TENANT, tenant, tenant), Action.REMOVED, self._clock(), session)
            await self._directory.tenants.remove(tenant, session)
            if found.parent:
                await self._directory.pool.recount(found.parent, session)

        await in_transaction(self._store, both)
        return found

    async def _drop_domain(self, tenant: str, domain: str, wanted: timedelta | None) -> None:
        """Remove all that a domain has, and then itself."""
        keep = await self.mail_is_kept(domain, wanted)
        await self._dkim_keys.remove(tenant, domain)
        while await self._drop_portion(tenant, domain, keep):
            pass

        async def both(session: AsyncClientSession) -> None:
            subject = Subject(Scope.DOMAIN, domain, tenant)
            if await self._directory.domains.aliases_of(tenant, domain, session):
                raise InUse(f"the domain {domain} has got an alias domain meanwhile: remove it first")
            await self._log.add(subject, Action.REMOVED, self._clock(), session)
            if await self._directory.domains.remove(tenant, domain, session):
                await self._directory.pool.use(tenant, Counts(domains=-1), session)

        await in_transaction(self._store, both)

    async def _drop_portion(self, tenant: str, domain: str, keep: timedelta) -> bool:
        """Remove some accounts, else some aliases; False: none is left. Another command may add some meanwhile."""
        accounts = await self._directory.accounts.list_portion(tenant, domain, _AT_A_TIME)
        for account in accounts:
            await self._remove(account, keep)
        if accounts:
            return True
        aliases = await self._directory.addresses.list_of_domain(
            tenant, domain, _AT_A_TIME, only_aliases=True
        )
        for key in aliases:
            await self._drop_alias(tenant, mail_address(key))
        return bool(aliases)

    async def _drop_alias(self, tenant: str, address: Address) -> None:
        """Grants go first: a grant without its address would be valid for the next owner."""
        await self._grants.remove_of_address(tenant, address)
        await self._directory.addresses.remove_alias(tenant, address)

    async def _remove(self, account: Account, keep: timedelta) -> None:
        """Account, address and access in one transaction; a second removal at the same time changes nothing."""
        subject = Subject(Scope.ACCOUNT, str(account.id), account.tenant)

        async def both(session: AsyncClientSession) -> None:
            now = self._clock()
            row = await self._directory.accounts.take(account.tenant, account.id, session)
            if row is None:
                return
            revision = await self._log.add(subject, Action.REMOVED, now, session)
            await self._directory.addresses.remove_account(account, session)
            await self._grants.remove_of_address(account.tenant, account.address, session)
            kept = {**row, "access_revision": revision}
            await self.removed.add(kept, now, now + keep, session)
            less = Counts(accounts=-1, storage_bytes=-(account.quota_bytes or 0))
            await self._directory.pool.use(account.tenant, less, session)

        await in_transaction(self._store, both)

    async def _all_addresses(self, tenant: str, domain: str) -> list[Address]:
        keys = await self._directory.addresses.list_of_domain(tenant, domain, 0)
        return [mail_address(key) for key in keys]

    async def _refuse_uses(
        self, tenant: str, addresses: Sequence[Address], *, inside: str = "", whole_tenant: bool = False
    ) -> None:
        """Refuse to remove what others lead to: aliases, catch-alls and the tenant's contact.

        Uses from `inside` a domain, or of the `whole_tenant`, go with it and do not count.
        """
        keys = {address.key for address in addresses}
        uses = [
            f"alias {alias.address}"
            for start in range(0, len(addresses), _AT_A_TIME)
            for alias in await self._directory.addresses.entry_by_targets(
                addresses[start : start + _AT_A_TIME]
            )
            if alias.address.domain != inside and not (whole_tenant and alias.tenant == tenant)
        ]
        if not whole_tenant:
            uses += [
                f"catch-all of {domain.name}"
                for domain in await self._directory.domains.list(tenant)
                if domain.name != inside and domain.catch_all is not None and domain.catch_all.key in keys
            ]
            owner = await self._directory.require_tenant(tenant)
            if owner.contact is not None and owner.contact.key in keys:
                uses.append(f"contact of tenant {tenant}")
        if uses:
            raise InUse(f"mail of others goes there: {_some(sorted(set(uses)))}; change these first")


def _some(names: Sequence[str]) -> str:
    """Name a few of many."""
    more = ", and others" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
