"""The policies that are in force, with a cache: one look-up for each domain or tenant and some seconds.

Services that poll the access log (`accesswatch`) drop the cache when a policy changes; in all others a change is in
force when `CacheLimits.positive_seconds` are over.
"""

import time
from collections.abc import Sequence

from mailyard.directory.cache import CacheLimits, Monotonic, TtlCache, unchanged
from mailyard.directory.domaincache import DomainCache
from mailyard.directory.model import Domain
from mailyard.directory.policy import NO_LEVELS, NO_POLICY, DomainPolicy, PolicyInForce
from mailyard.directory.tenants import Tenants
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

_BATCH = 500


class Policies:
    """Policies by domain and by tenant. Each method that awaits raises `Unavailable`."""

    def __init__(
        self,
        store: Store,
        limits: CacheLimits | None = None,
        *,
        domains: DomainCache | None = None,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Read from `store`; `clock` gives seconds and never goes back. `domains`: a cache that others use too."""
        self._limits = limits or CacheLimits()
        self._domains = domains or DomainCache(store, self._limits, clock=clock)
        self._tenants = Tenants(store)
        self._known: TtlCache[str, PolicyInForce] = TtlCache(self._limits.entries, clock)  # by tenant
        self._questions: GroupCommit[str, list[PolicyInForce], PolicyInForce] = GroupCommit(
            self._ask, unchanged, max_items=_BATCH, max_octets=_BATCH
        )

    def forget(self) -> None:
        """Drop everything that is cached."""
        self._domains.forget()
        self._known.clear()

    def of_domain_cached(self, domain: str) -> DomainPolicy | None:
        """Peek: the policy of a domain, None when `of_domain` must be awaited."""
        known = self._domains.cached(domain)
        if known is None:
            return None
        if not isinstance(known, Domain):
            return NO_POLICY
        return None if known.policy.problem else known.policy.policy

    async def of_domain(self, domain: str) -> DomainPolicy:
        """Return the policy of a domain with its tenant's; an empty one where the domain is not of this installation."""
        known = await self._domains.one(domain)
        return (
            _readable(known.policy, f"{known.name} or its tenant") if isinstance(known, Domain) else NO_POLICY
        )

    async def of_sender(self, tenant: str, domain: str) -> DomainPolicy:
        """Return the policy for mail of a tenant: its domain's, else, for mail that it only forwards, its own."""
        if not tenant:
            return NO_POLICY
        if domain:
            known = await self._domains.one(domain)
            if isinstance(known, Domain) and known.tenant == tenant:
                return _readable(known.policy, f"{domain} or its tenant")
        own = self._known.get(tenant) or await self._questions.submit(tenant)
        return _readable(own, f"tenant {tenant}")

    async def _ask(self, tenants: Sequence[str]) -> list[PolicyInForce]:
        levels = await self._tenants.policies(tenants)
        found = [levels.get(tenant, NO_LEVELS).in_force() for tenant in tenants]
        for tenant, policy in zip(tenants, found, strict=True):
            self._known.put(tenant, policy, self._limits.positive_seconds)
        return found


def _readable(known: PolicyInForce, what: str) -> DomainPolicy:
    """A policy that cannot be read is not ignored: mail would go where its tenant does not want it."""
    if known.problem:
        raise Unavailable(f"the policy of {what} cannot be read: {known.problem}")
    return known.policy
