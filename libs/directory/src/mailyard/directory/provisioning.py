"""Adds and changes tenants, domains, accounts and aliases, after checking what they are and where they belong.

Withdrawing access is in `suspension` and `removal`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from mailyard.directory.model import (
    Account,
    AccountStatus,
    Alias,
    Domain,
    DomainStatus,
    Tenant,
    TenantKind,
    TenantStatus,
)
from mailyard.directory.names import domain_name, language_tag, mail_address, tenant_slug
from mailyard.directory.ownership import new_token
from mailyard.directory.passwords import Passwords, checked_password
from mailyard.directory.passwordschemes import ImportedHash
from mailyard.directory.plan import NO_PLAN, Counts, Plan, Resource, check_weight
from mailyard.directory.policies import Policies
from mailyard.directory.policy import DEFAULT_SEPARATOR
from mailyard.directory.pool import LimitPool
from mailyard.directory.tenantplans import TenantPlans
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
        self.pool = LimitPool(store)
        self._plans = TenantPlans(store, clock)
        self._log = AccessLog(store)

    async def add_tenant(
        self,
        slug: str,
        name: str = "",
        contact: str = "",
        status: TenantStatus = TenantStatus.ACTIVE,
        *,
        kind: TenantKind = TenantKind.CUSTOMER,
        parent: str = "",
        plan: Plan = NO_PLAN,
        language: str = "",
    ) -> Tenant:
        """Add a tenant; without a name it goes by its slug. Raises LimitReached: its reseller cannot promise so much.

        `contact` receives mail for postmaster@ and abuse@ of the tenant's domains. It may be an account that is added
        later.
        """
        tenant = Tenant(
            tenant_slug(slug),
            name.strip() or slug,
            status,
            mail_address(contact) if contact else None,
            kind=kind,
            parent=parent,
            plan=replace(plan, limits=plan.limits.with_changes({}), weight=check_weight(plan.weight)),
            language=language_tag(language) if language else "",
        )
        await self._plans.add(tenant)
        return tenant

    async def set_tenant(
        self,
        slug: str,
        *,
        name: str | None = None,
        contact: str | None = None,
        parent: str | None = None,
        limits: Mapping[Resource, int | None] | None = None,
        weight: int | None = None,
        overpromise: bool | None = None,
        language: str | None = None,
    ) -> Tenant:
        """Change a tenant; an empty contact, parent or language removes it. Limits that are not named stay.

        Raises:
            LimitReached: more is promised or used already.

        """
        parsed = mail_address(contact) if contact else None
        if parsed is not None:
            await self.checks.target(parsed)

        def changed(before: Tenant) -> Tenant:
            plan = replace(
                before.plan,
                limits=before.plan.limits.with_changes(limits or {}),
                weight=before.plan.weight if weight is None else check_weight(weight),
                overpromise=before.plan.overpromise if overpromise is None else overpromise,
            )
            return replace(
                before,
                name=before.name if name is None else name.strip() or slug,
                contact=before.contact if contact is None else parsed,
                parent=before.parent if parent is None else parent,
                plan=plan,
                language=language_tag(language) if language else before.language if language is None else "",
            )

        await self._plans.change(slug, changed)
        return await self.require_tenant(slug)

    async def add_domain(
        self, tenant: str, name: str, catch_all: str = "", *, alias_of: str = "", verified: bool = True
    ) -> Domain:
        """Add a domain to a tenant; `catch_all` receives mail for unknown recipients.

        Args:
            tenant: who owns it.
            name: in Unicode or with A-labels.
            catch_all: an address in another domain.
            alias_of: a domain of the same tenant whose addresses answer under this name too.
            verified: the provider vouches for it; else the DNS must show a token first (`ownership`).

        """
        owner = await self.require_tenant(tenant)
        if owner.kind is TenantKind.RESELLER:
            raise Invalid(
                f"{tenant} is a reseller and owns no domains: add a customer with --parent {tenant}"
            )
        domain = Domain(
            domain_name(name),
            tenant,
            DomainStatus.ACTIVE if verified else DomainStatus.UNVERIFIED,
            catch_all=mail_address(catch_all) if catch_all else None,
            alias_of=domain_name(alias_of) if alias_of else "",
            verification="" if verified else new_token(),
        )
        await self._check_catch_all(domain)
        try:
            await in_transaction(self._store, lambda session: self._insert_domain(domain, session))
        except DuplicateKeyError:
            raise AlreadyExists(f"the domain {domain.name} is taken") from None
        return domain

    async def verify_domain(self, tenant: str, name: str) -> Domain:
        """Make an unverified domain active: its owner has proved the ownership, or the provider vouches for it."""
        domain = await self.require_domain(tenant, domain_name(name))

        async def verify(session: AsyncClientSession) -> None:
            if await self.domains.verify(tenant, domain.name, session):
                await self._log.add_policy_change(session)  # caches forget that it was not ours

        await in_transaction(self._store, verify)
        return await self.require_domain(tenant, domain.name)

    async def set_catch_all(self, tenant: str, name: str, catch_all: str) -> Domain:
        """Change who receives mail for unknown recipients of a domain; an empty text: nobody."""
        domain = domain_name(name)
        parsed = mail_address(catch_all) if catch_all else None
        if parsed is not None:
            _refuse_alias_domain(await self.require_domain(tenant, domain))
            await self.checks.catch_all(domain, parsed)
            [parsed] = await self.checks.stored([parsed])
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

        async def change(session: AsyncClientSession) -> None:
            before = await self.accounts.exchange(tenant, parsed, changed, session)
            if before is None:
                raise _no_account(tenant, parsed)
            if quota_bytes is not None:
                more = Counts(storage_bytes=quota_bytes - (before.quota_bytes or 0))
                await self.pool.use(tenant, more, session, without_quota=not quota_bytes)

        if changed:
            await in_transaction(self._store, change)
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
        found = (await self.domains.entry_by_names([address.domain])).get(address.domain)
        if found is None or found.tenant != tenant:
            raise NotFound(f"the tenant {tenant} has no domain {address.domain}")
        _refuse_alias_domain(found)
        detail = address.base_and_detail(found.separator)[1] if found.separator else ""
        if detail and found.separator == DEFAULT_SEPARATOR:
            raise Invalid(
                f"{address} has a plus sign: what stands behind it is for the owner of {address.domain}"
            )
        if detail:
            await self._refuse_detail_of_another(address, found.separator)
        return address

    async def _refuse_detail_of_another(self, address: Address, separator: str) -> None:
        """With a separator that is usual in names, an address may have it, unless mail for it has an owner already."""
        base = Address(address.base_and_detail(separator)[0], address.domain)
        if await self.addresses.entry_by_keys([base.key]):
            raise Invalid(
                f"mail for {address} is that of {base}: {separator} is the separator of plus-addressing"
            )

    async def _check_catch_all(self, domain: Domain) -> None:
        if domain.catch_all is None:
            return
        _refuse_alias_domain(domain)
        if domain.catch_all.domain == domain.name:
            raise Invalid(
                f"{domain.catch_all} is no account yet: add the domain and the account, then use"
                f" mailyard domain set {domain.name} --catch-all {domain.catch_all}"
            )
        await self.checks.catch_all(domain.name, domain.catch_all)

    async def _insert_domain(self, domain: Domain, session: AsyncClientSession) -> None:
        if domain.alias_of and not await self.domains.hold(domain.tenant, domain.alias_of, session):
            raise Invalid(
                f"{domain.name} cannot be an alias of {domain.alias_of}: this must be another domain of the tenant"
                f" {domain.tenant}, and no alias domain itself"
            )
        await self.domains.add(domain, self._clock(), session)
        await self.pool.use(domain.tenant, Counts(domains=1), session)

    async def _insert(self, account: Account, hashed: str) -> None:
        """Account and address in one transaction: no address without its account, no account unreachable."""

        async def both(session: AsyncClientSession) -> None:
            now = self._clock()
            await self.addresses.add_account(account, now, session)
            await self.accounts.add(account, hashed, now, session)
            more = Counts(accounts=1, storage_bytes=account.quota_bytes or 0)
            await self.pool.use(account.tenant, more, session, without_quota=account.quota_bytes is None)

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


def _refuse_alias_domain(domain: Domain) -> None:
    if domain.alias_of:
        raise Invalid(f"{domain.name} is an alias domain: its addresses are those of {domain.alias_of}")


def _check_quota(quota_bytes: int | None) -> None:
    if quota_bytes is not None and quota_bytes <= 0:
        raise Invalid("a quota is a number of bytes above zero; leave it out for no limit")


def _no_account(tenant: str, address: Address) -> NotFound:
    return NotFound(f"the tenant {tenant} has no account {address}")
