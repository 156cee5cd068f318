"""The policies that are in force, with a cache: one look-up for each domain or tenant and some seconds.

Services that poll the access log (`accesswatch`) drop the cache when a policy changes; in all others a change is in
force when `CacheLimits.positive_seconds` are over.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailyard.directory.cache import CacheLimits, Monotonic, TtlCache, unchanged
from mailyard.directory.domains import Domains
from mailyard.directory.errors import Invalid
from mailyard.directory.policy import DomainPolicy, TenantPolicy, effective, read_policy
from mailyard.directory.tenants import Tenants
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Row, Store
from mailyard.store.group import GroupCommit

_BATCH = 500
_NONE = DomainPolicy()


@dataclass(frozen=True, slots=True)
class _Key:
    """A domain by its name, or a tenant by its slug."""

    name: str
    is_domain: bool


@dataclass(frozen=True, slots=True)
class _KnownPolicies:
    """A policy as it is in force, or why it cannot be read; `tenant`: who owns it."""

    tenant: str
    policy: DomainPolicy
    problem: str = ""


class Policies:
    """Policies by domain and by tenant. Each method that awaits raises `Unavailable`."""

    def __init__(
        self, store: Store, limits: CacheLimits | None = None, *, clock: Monotonic = time.monotonic
    ) -> None:
        """Read from `store`; `clock` gives seconds and never goes back."""
        self._domains = Domains(store)
        self._tenants = Tenants(store)
        self._limits = limits or CacheLimits()
        self._known: TtlCache[_Key, _KnownPolicies] = TtlCache(self._limits.entries, clock)
        self._questions: GroupCommit[_Key, list[_KnownPolicies], _KnownPolicies] = GroupCommit(
            self._ask, unchanged, max_items=_BATCH, max_octets=_BATCH
        )

    def forget(self) -> None:
        """Drop everything that is cached."""
        self._known.clear()

    def of_domain_cached(self, domain: str) -> DomainPolicy | None:
        """Peek: the policy of a domain, None when `of_domain` must be awaited."""
        known = self._known.get(_Key(domain, is_domain=True))
        return known.policy if known is not None and not known.problem else None

    async def of_domain(self, domain: str) -> DomainPolicy:
        """Return the policy of a domain with its tenant's; an empty one where the domain is not of this installation."""
        return _readable(await self._look_up(_Key(domain, is_domain=True)))

    async def of_sender(self, tenant: str, domain: str) -> DomainPolicy:
        """Return the policy for mail of a tenant: its domain's, else, for mail that it only forwards, its own."""
        if not tenant:
            return _NONE
        if domain:
            known = await self._look_up(_Key(domain, is_domain=True))
            if known.tenant == tenant:
                return _readable(known)
        return _readable(await self._look_up(_Key(tenant, is_domain=False)))

    async def _look_up(self, key: _Key) -> _KnownPolicies:
        return self._known.get(key) or await self._questions.submit(key)

    async def _ask(self, keys: Sequence[_Key]) -> list[_KnownPolicies]:
        names = [key.name for key in keys if key.is_domain]
        slugs = [key.name for key in keys if not key.is_domain]
        domains = await self._domains.entry_policies(names) if names else {}
        tenants = await self._tenants.policies(slugs) if slugs else {}
        found = [
            _of_domain(domains.get(key.name))
            if key.is_domain
            else _of_tenant(key.name, tenants.get(key.name))
            for key in keys
        ]
        for key, known in zip(keys, found, strict=True):
            seconds = self._limits.positive_seconds if known.tenant else self._limits.negative_seconds
            self._known.put(key, known, seconds)
        return found


def _of_domain(row: Row | None) -> _KnownPolicies:
    if row is None:
        return _KnownPolicies("", _NONE)
    what = f"{row['_id']} or its tenant"
    return _in_force(row["tenant"], what, row.get("policy"), row.get("tenant_policy"))


def _of_tenant(slug: str, policy: Mapping[str, str] | None) -> _KnownPolicies:
    return _in_force(slug, f"tenant {slug}", None, policy)


def _in_force(
    tenant: str, what: str, own: Mapping[str, str] | None, inherited: Mapping[str, str] | None
) -> _KnownPolicies:
    try:
        policy = effective(read_policy(DomainPolicy, own or {}), read_policy(TenantPolicy, inherited or {}))
    except Invalid as error:
        return _KnownPolicies(tenant, _NONE, f"the policy of {what} cannot be read: {error}")
    return _KnownPolicies(tenant, policy)


def _readable(known: _KnownPolicies) -> DomainPolicy:
    """A policy that cannot be read is not ignored: mail would go where its tenant does not want it."""
    if known.problem:
        raise Unavailable(known.problem)
    return known.policy
