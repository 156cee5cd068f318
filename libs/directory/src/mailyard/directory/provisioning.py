"""Adds tenants, domains, accounts and aliases, after checking what they are and where they belong."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.accounts import Accounts
from mailyard.directory.addresses import Addresses
from mailyard.directory.domains import Domains
from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.model import Account, Alias, Domain, Tenant
from mailyard.directory.names import domain_name, mail_address, tenant_slug
from mailyard.directory.passwords import Passwords, checked_password
from mailyard.directory.tenants import Tenants
from mailyard.message.address import Address
from mailyard.runtime.clock import Clock
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction


class Provisioning:
    """The way in for every change; each method raises DirectoryError or Unavailable."""

    def __init__(self, store: Store, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self.tenants = Tenants(store)
        self.domains = Domains(store)
        self.accounts = Accounts(store)
        self.addresses = Addresses(store)

    async def add_tenant(self, slug: str, name: str = "") -> Tenant:
        """Add a tenant; without a name it goes by its slug."""
        tenant = Tenant(tenant_slug(slug), name.strip() or slug)
        await self.tenants.add(tenant, self._clock())
        return tenant

    async def add_domain(self, tenant: str, name: str, catch_all: str = "") -> Domain:
        """Add a domain to a tenant; `catch_all` is an address that takes what nobody claims."""
        await self.require_tenant(tenant)
        domain = Domain(domain_name(name), tenant, catch_all=mail_address(catch_all) if catch_all else None)
        await self.domains.add(domain, self._clock())
        return domain

    async def add_account(
        self, tenant: str, address: str, password: str, quota_bytes: int | None = None
    ) -> Account:
        """Add an account, whose address becomes its login name."""
        if quota_bytes is not None and quota_bytes <= 0:
            raise Invalid("a quota is a number of bytes above zero; leave it out for no limit")
        parsed = await self._own_address(tenant, address)
        hashed = await self._passwords.hash(checked_password(password))
        account = Account(ObjectId(), tenant, parsed, quota_bytes=quota_bytes)
        await self._insert(account, hashed)
        return account

    async def set_password(self, tenant: str, address: str, password: str) -> None:
        """Replace an account's password; sessions that are open stay open."""
        parsed = mail_address(address)
        hashed = await self._passwords.hash(checked_password(password))
        if not await self.accounts.set_password(tenant, parsed, hashed, self._clock()):
            raise NotFound(f"the tenant {tenant} has no account {parsed}")

    async def add_alias(self, tenant: str, address: str, targets: Sequence[str]) -> Alias:
        """Add an alias of one or more addresses, which need not exist yet, here or elsewhere."""
        if not targets:
            raise Invalid("an alias needs at least one target")
        parsed = await self._own_address(tenant, address)
        alias = Alias(parsed, tenant, tuple(mail_address(target) for target in targets))
        try:
            await self.addresses.add_alias(alias, self._clock())
        except DuplicateKeyError:
            raise _taken(parsed) from None
        return alias

    async def require_tenant(self, tenant: str) -> Tenant:
        """Return the tenant, or raise NotFound."""
        found = await self.tenants.get(tenant)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        return found

    async def _own_address(self, tenant: str, text: str) -> Address:
        """Read an address that a tenant may give away: its domain is the tenant's, it has no detail."""
        address = mail_address(text)
        if address.base_and_detail()[1]:
            raise Invalid(
                f"{address} has a plus sign: what stands behind it is for the owner of {address.domain}"
            )
        if await self.domains.get(tenant, address.domain) is None:
            raise NotFound(f"the tenant {tenant} has no domain {address.domain}")
        return address

    async def _insert(self, account: Account, hashed: str) -> None:
        """Account and address in one transaction: no address without its account, no account unreachable."""

        async def both(session: AsyncClientSession) -> None:
            now = self._clock()
            await self.addresses.add_account(account, now, session)
            await self.accounts.add(account, hashed, now, session)

        try:
            await in_transaction(self._store, both)
        except DuplicateKeyError:
            raise _taken(account.address) from None


def _taken(address: Address) -> AlreadyExists:
    return AlreadyExists(f"the address {address} is taken")
