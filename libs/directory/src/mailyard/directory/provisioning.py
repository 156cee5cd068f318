"""Adds and changes tenants, domains, accounts and aliases, after checking what they are and where they belong.

Withdrawing access is in `suspension` and `removal`.
"""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.directory.accesslog import AccessLog, Action, Scope, Subject
from mailyard.directory.accounts import Accounts
from mailyard.directory.addresses import Addresses
from mailyard.directory.aliascheck import AliasCheck
from mailyard.directory.cache import CacheLimits
from mailyard.directory.domains import Domains
from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.model import Account, AccountStatus, Alias, Domain, Tenant, TenantStatus
from mailyard.directory.names import domain_name, mail_address, tenant_slug
from mailyard.directory.passwords import Passwords, checked_password
from mailyard.directory.passwordschemes import ImportedHash
from mailyard.directory.policies import Policies
from mailyard.directory.tenants import Tenants
from mailyard.message.address import Address
from mailyard.runtime.clock import Clock
from mailyard.store.client import Row, Store
from mailyard.store.transaction import in_transaction


class Provisioning:
    """Additions and changes; each method raises DirectoryError or Unavailable."""

    def __init__(self, store: Store, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self.tenants = Tenants(store)
        self.domains = Domains(store)
        self.accounts = Accounts(store)
        self.addresses = Addresses(store)
        self.checks = AliasCheck(store)
        self.policies = Policies(store, CacheLimits(positive_seconds=0, negative_seconds=0))
        self._log = AccessLog(store)

    async def add_tenant(
        self, slug: str, name: str = "", contact: str = "", status: TenantStatus = TenantStatus.ACTIVE
    ) -> Tenant:
        """Add a tenant; without a name it goes by its slug.

        `contact` receives mail for postmaster@ and abuse@ of the tenant's domains. It may be an account that is added
        later.
        """
        parsed = mail_address(contact) if contact else None
        tenant = Tenant(tenant_slug(slug), name.strip() or slug, status, parsed)
        await self.tenants.add(tenant, self._clock())
        return tenant

    async def set_tenant(self, slug: str, *, name: str | None = None, contact: str | None = None) -> Tenant:
        """Change a tenant's name or contact; an empty contact removes it."""
        parsed = mail_address(contact) if contact else None
        if parsed is not None:
            await self.checks.target(parsed)
        changed: Row = {}
        if name is not None:
            changed["name"] = name.strip() or slug
        if contact is not None:
            changed["contact"] = str(parsed) if parsed else None
        if changed:
            await self.tenants.change(slug, changed)
        return await self.require_tenant(slug)

    async def add_domain(self, tenant: str, name: str, catch_all: str = "") -> Domain:
        """Add a domain to a tenant; `catch_all` receives mail for unknown recipients."""
        await self.require_tenant(tenant)
        domain = Domain(domain_name(name), tenant, catch_all=mail_address(catch_all) if catch_all else None)
        if domain.catch_all is not None:
            if domain.catch_all.domain == domain.name:
                raise Invalid(
                    f"{domain.catch_all} is no account yet: add the domain and the account, then use"
                    f" mailyard domain set {domain.name} --catch-all {domain.catch_all}"
                )
            await self.checks.catch_all(domain.name, domain.catch_all)
        await self.domains.add(domain, self._clock())
        return domain

    async def set_catch_all(self, tenant: str, name: str, catch_all: str) -> Domain:
        """Change who receives mail for unknown recipients of a domain; an empty text: nobody."""
        domain = domain_name(name)
        parsed = mail_address(catch_all) if catch_all else None
        if parsed is not None:
            await self.checks.catch_all(domain, parsed)
        await self.domains.change(tenant, domain, {"catch_all": str(parsed) if parsed else None})
        return await self.require_domain(tenant, domain)

    async def add_account(
        self,
        tenant: str,
        address: str,
        password: str | ImportedHash,
        quota_bytes: int | None = None,
        name: str = "",
        *,
        status: AccountStatus = AccountStatus.ACTIVE,
    ) -> Account:
        """Add an account, whose address becomes its login name; without a quota it gets the policy's one."""
        _check_quota(quota_bytes)
        parsed = await self._own_address(tenant, address)
        if quota_bytes is None:
            quota_bytes = (await self.policies.of_domain(parsed.domain)).account_quota
        hashed = await self._hash_of(password)
        account = Account(ObjectId(), tenant, parsed, status, quota_bytes, name.strip())
        await self._insert(account, hashed)
        return account

    async def set_account(
        self, tenant: str, address: str, *, name: str | None = None, quota_bytes: int | None = None
    ) -> Account:
        """Change an account's name or quota; an empty name or a quota of 0 removes it."""
        if quota_bytes:
            _check_quota(quota_bytes)
        parsed = mail_address(address)
        changed: Row = {}
        if name is not None:
            changed["name"] = name.strip() or None
        if quota_bytes is not None:
            changed["quota_bytes"] = quota_bytes or None
        if changed:
            await self.accounts.change(tenant, parsed, changed)
        return await self.require_account(tenant, parsed)

    async def set_password(self, tenant: str, address: str, password: str | ImportedHash) -> None:
        """Replace an account's password; sessions that are open end within seconds."""
        account = await self.require_account(tenant, mail_address(address))
        hashed = await self._hash_of(password)
        subject = Subject(Scope.ACCOUNT, str(account.id), tenant)

        async def both(session: AsyncClientSession) -> None:
            revision = await self._log.add(subject, Action.PASSWORD, self._clock(), session)
            if not await self.accounts.set_password(tenant, account.address, hashed, revision, session):
                raise _no_account(tenant, account.address)

        await in_transaction(self._store, both)

    async def add_alias(self, tenant: str, address: str, targets: Sequence[str]) -> Alias:
        """Add an alias of one or more addresses that take mail, here or elsewhere."""
        if mail_address(address).local == "*":
            domain = mail_address(address).domain
            raise Invalid(
                f"an alias is one address: for all unknown recipients of {domain} use"
                f" mailyard domain set {domain} --catch-all {' '.join(targets[:1]) or 'ADDRESS'}"
            )
        parsed = await self._own_address(tenant, address)
        if (taken := await self._taken_by(parsed)) is not None:
            raise taken
        alias = Alias(parsed, tenant, await self._checked_targets(parsed, targets))
        try:
            await self.addresses.add_alias(alias, self._clock())
        except DuplicateKeyError:
            raise AlreadyExists(f"the address {parsed} is taken") from None
        return alias

    async def set_targets(self, tenant: str, address: str, targets: Sequence[str]) -> Alias:
        """Replace the targets of an alias."""
        alias = await self.require_alias(tenant, mail_address(address))
        checked = await self._checked_targets(alias.address, targets)
        await self.addresses.set_targets(tenant, alias.address, checked)
        return Alias(alias.address, tenant, checked)

    async def require_alias(self, tenant: str, address: Address) -> Alias:
        """Return an alias of a tenant, or raise NotFound."""
        found = await self.addresses.get_alias(tenant, address)
        if found is None:
            raise NotFound(f"the tenant {tenant} has no alias {address}")
        return found

    async def require_account(self, tenant: str, address: Address) -> Account:
        """Return an account of a tenant, or raise NotFound."""
        found = await self.accounts.get(tenant, address)
        if found is None:
            raise _no_account(tenant, address)
        return found

    async def require_domain(self, tenant: str, name: str) -> Domain:
        """Return a domain of a tenant, or raise NotFound."""
        found = await self.domains.get(tenant, name)
        if found is None:
            raise NotFound(f"the tenant {tenant} has no domain {name}")
        return found

    async def require_tenant(self, tenant: str) -> Tenant:
        """Return the tenant, or raise NotFound."""
        found = await self.tenants.get(tenant)
        if found is None:
            raise NotFound(f"there is no tenant {tenant}")
        return found

    async def _hash_of(self, password: str | ImportedHash) -> str:
        if isinstance(password, ImportedHash):
            return password.text
        return await self._passwords.hash(checked_password(password))

    async def _checked_targets(self, alias: Address, targets: Sequence[str]) -> tuple[Address, ...]:
        """Read targets, each once, and refuse those that lead nowhere or back."""
        parsed = {address.key: address for address in map(mail_address, targets)}
        if not parsed:
            raise Invalid("an alias needs at least one target")
        await self.checks.alias(alias, tuple(parsed.values()))
        return await self.checks.stored(tuple(parsed.values()))

    async def _taken_by(self, address: Address) -> AlreadyExists | None:
        entry = (await self.addresses.entry_by_keys([address.key])).get(address.key)
        return None if entry is None else _taken(address, entry)

    async def _own_address(self, tenant: str, text: str) -> Address:
        """Read an address that a tenant may give away: its domain is the tenant's, it has no detail."""
        address = mail_address(text)
        if address.base_and_detail()[1]:
            raise Invalid(
                f"{address} has a plus sign: what stands behind it is for the owner of {address.domain}"
            )
        await self.require_domain(tenant, address.domain)
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
            taken = await self._taken_by(account.address)
            raise taken or AlreadyExists(f"the address {account.address} is taken") from None


def _taken(address: Address, entry: Account | Alias) -> AlreadyExists:
    if isinstance(entry, Alias):
        return AlreadyExists(
            f"the address {address} is taken by an alias of tenant {entry.tenant};"
            f" to add a target use mailyard alias add-target {address}"
        )
    return AlreadyExists(f"the address {address} is taken by an account of tenant {entry.tenant}")


def _check_quota(quota_bytes: int | None) -> None:
    if quota_bytes is not None and quota_bytes <= 0:
        raise Invalid("a quota is a number of bytes above zero; leave it out for no limit")


def _no_account(tenant: str, address: Address) -> NotFound:
    return NotFound(f"the tenant {tenant} has no account {address}")
