"""Looks up domains and addresses, with a cache: a mail server asks for them thousands of times a second.

Entries are cached for seconds only, so a change is in force everywhere soon. Look-ups that are not cached are batched:
all that come while a query is under way share the next one.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from mailyard.directory.accounts import Accounts
from mailyard.directory.addresses import Addresses
from mailyard.directory.cache import CacheLimits, Monotonic, TtlCache, unchanged
from mailyard.directory.domaincache import DomainCache
from mailyard.directory.domains import Domains
from mailyard.directory.expansion import LOOP, NO_LIVING_TARGET, AliasWalk
from mailyard.directory.model import (
    Account,
    Alias,
    Destination,
    Domain,
    Expansion,
    LocalAccount,
    Remote,
    Resolution,
    Unknown,
)
from mailyard.directory.policies import Policies
from mailyard.directory.resolution import is_role, keys_in, resolution_of
from mailyard.message.address import Address
from mailyard.runtime.metrics import histogram
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

_BATCH = 500
_OLDEST_DOMAINS = 10
_BATCH_SIZE = histogram("mailyard_directory_lookup_addresses")


class Directory:
    """Domains, addresses and policies. Every method that awaits raises `Unavailable` when the store is unreachable."""

    def __init__(
        self,
        store: Store,
        limits: CacheLimits | None = None,
        *,
        postmaster: Address | None = None,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Read from `store`.

        Args:
            store: where the directory is kept.
            limits: of the cache.
            postmaster: receives mail for postmaster@ and abuse@ of domains that have no such address, no contact
                of their tenant and no catch-all.
            clock: gives seconds and never goes back.

        """
        self._limits = limits or CacheLimits()
        self._known_domains = DomainCache(store, self._limits, clock=clock)
        self.policies = Policies(store, self._limits, domains=self._known_domains, clock=clock)
        self._postmaster = postmaster
        self._accounts = Accounts(store)
        self._domains = Domains(store)
        self._addresses = Addresses(store)
        self._known: TtlCache[str, Resolution] = TtlCache(self._limits.entries, clock)
        self._verdicts: TtlCache[str, Resolution] = TtlCache(self._limits.entries, clock)  # of aliases
        self._questions: GroupCommit[Address, list[Resolution], Resolution] = GroupCommit(
            self._ask, unchanged, max_items=_BATCH, max_octets=_BATCH
        )

    def forget(self) -> None:
        """Drop everything that is cached: a domain or account was suspended or removed, or a policy changed."""
        self.policies.forget()  # and with them the domains
        self._known.clear()
        self._verdicts.clear()

    def resolve_cached(self, address: Address) -> Resolution | None:
        """Peek: the resolution, None when `resolve` must be awaited."""
        known = self._known.get(address.key)
        if isinstance(known, Expansion):
            return self._verdicts.get(address.key)
        return known or self._remote_cached(address)

    async def domain(self, name: str) -> Domain | None:
        """Return the domain of this name (lower case, A-labels), None when it is not ours."""
        found = await self._known_domains.one(name)
        return found if isinstance(found, Domain) else None

    def domain_cached(self, name: str) -> Domain | None:
        """Peek: the domain of this name, None when `domain` must be awaited or it is not ours."""
        found = self._known_domains.cached(name)
        return found if isinstance(found, Domain) else None

    async def resolve(self, address: Address, *, afresh: bool = False) -> Resolution:
        """Resolve an address by one step; `expand` goes all the way.

        An alias that leads to nobody is `Unknown`. `afresh` passes the cache over: a permanent refusal shall not
        follow from what was true some seconds ago.
        """
        known = None if afresh else self.resolve_cached(address)
        if known is not None:
            return known
        step = None if afresh else self._known.get(address.key)
        if step is None:
            step = await self._questions.submit(address)
        return await self._judged(address, step) if isinstance(step, Expansion) else step

    async def resolve_many(self, addresses: Sequence[Address]) -> list[Resolution]:
        """Resolve each address by one step, in order, with two queries at most; aliases are not followed."""
        found = {address: self._step_cached(address) for address in addresses}
        missing = [address for address, known in found.items() if known is None]
        answers = dict(zip(missing, await self._ask(missing), strict=True)) if missing else {}
        return [found[address] or answers[address] for address in addresses]

    async def expand(self, address: Address) -> tuple[Destination, ...]:
        """Follow aliases to the end: accounts, remote and unknown addresses, each once, never none."""
        return (await self.expand_many([address]))[0]

    async def expand_many(self, addresses: Iterable[Address]) -> list[tuple[Destination, ...]]:
        """Expand each address by itself, in order, with two queries at most for each depth of aliases.

        Postmaster and abuse of a domain always lead to somebody, if its tenant has anybody.
        """
        walks = [AliasWalk(address) for address in addresses]
        while pending := list(dict.fromkeys(address for walk in walks for address in walk.pending)):
            resolutions = dict(zip(pending, await self.resolve_many(pending), strict=True))
            for walk in walks:
                walk.feed(resolutions)
        return [
            walk.destinations()
            if walk.leads_somewhere or not is_role(walk.start)
            else await self._default_destinations(walk)
            for walk in walks
        ]

    async def postmaster(self, hostname: str) -> Address | None:
        """Find the address that takes mail for `<Postmaster>` without a domain (RFC 5321, section 4.5.1).

        It is postmaster of this host's domain if that is ours, else the postmaster of the installation, else
        postmaster of the oldest domain that has one; None: nobody can receive mail here.
        """
        candidates = [Address("postmaster", hostname)]
        if self._postmaster is not None:
            candidates.append(self._postmaster)
        names = await self._domains.entry_oldest(_OLDEST_DOMAINS)
        candidates += [Address("postmaster", name) for name in names]
        for candidate in candidates:
            if isinstance(await self.resolve(candidate), LocalAccount | Expansion):
                return candidate
        return None

    async def _judged(self, address: Address, step: Expansion) -> Resolution:
        """Follow an alias until an account or a remote address is reached; an alias without one is unknown."""
        walk = await self._until_somebody(address)
        verdict: Resolution = step
        if not walk.leads_somewhere:
            default = await self._default_of(address) if is_role(address) else None
            verdict = default or _reason_of(walk.destinations())
        self._verdicts.put(address.key, verdict, self._seconds(isinstance(verdict, Expansion)))
        return verdict

    async def _until_somebody(self, address: Address) -> AliasWalk:
        """Follow an address until the first end that takes mail."""
        walk = AliasWalk(address)
        while walk.pending and not walk.leads_somewhere:
            pending = walk.pending
            walk.feed(dict(zip(pending, await self.resolve_many(pending), strict=True)))
        return walk

    async def _default_destinations(self, walk: AliasWalk) -> tuple[Destination, ...]:
        default = await self._default_of(walk.start)
        if default is None:
            return walk.destinations()
        if default.account is not None:
            return (Destination(default.account.address, default.account),)
        return await self.expand(default.targets[0])

    async def _default_of(self, address: Address) -> Expansion | None:
        """Find the recipient of mail for postmaster or abuse if the address itself leads to no recipient.

        It is the first of the tenant's contact, the catch-all and the installation's postmaster that takes mail,
        else the tenant's oldest active account.
        """
        domain = await self.domain(address.domain)
        if domain is None:
            return None
        for candidate in self._stand_ins(address, domain):
            if (await self._until_somebody(candidate)).leads_somewhere:
                return Expansion((candidate,), domain.tenant, is_default=True)
        return await self._oldest_account(domain)

    def _stand_ins(self, address: Address, domain: Domain) -> tuple[Address, ...]:
        candidates = (domain.contact, domain.catch_all, self._postmaster)
        return tuple(each for each in candidates if each is not None and each.key != address.key)

    async def _oldest_account(self, domain: Domain) -> Expansion | None:
        account = await self._accounts.oldest_active(domain.tenant)
        if account is None:
            return None
        reached = LocalAccount(account, account.tenant, account.address)
        return Expansion((), account.tenant, is_default=True, account=reached)

    def _step_cached(self, address: Address) -> Resolution | None:
        return self._known.get(address.key) or self._remote_cached(address)

    def _remote_cached(self, address: Address) -> Remote | None:
        domain = self._known_domains.cached(address.domain)
        return domain if isinstance(domain, Remote) else None

    async def _ask(self, addresses: Sequence[Address]) -> list[Resolution]:
        _BATCH_SIZE.observe(len(addresses))
        domains = await self._known_domains.many({each.domain for each in addresses}, with_remote=False)
        keys = {
            key
            for address in addresses
            if isinstance(domain := domains[address.domain], Domain)
            for key in keys_in(address, domain)
        }
        found = await self._addresses.entry_by_keys(keys) if keys else {}
        return [await self._answer(address, domains[address.domain], found) for address in addresses]

    async def _answer(
        self, address: Address, domain: Domain | Remote, found: Mapping[str, Account | Alias]
    ) -> Resolution:
        if isinstance(domain, Remote):
            return domain  # the domain's entry is enough
        answer = resolution_of(address, domain, found)
        if isinstance(answer, Unknown) and is_role(address):
            answer = await self._role_of(address, domain) or answer
        self._known.put(address.key, answer, self._seconds(not isinstance(answer, Unknown)))
        self._verdicts.forget(address.key)
        return answer

    async def _role_of(self, address: Address, domain: Domain) -> Expansion | None:
        """Take the first candidate without a look at where it leads: an alias is followed later."""
        if stand_ins := self._stand_ins(address, domain):
            return Expansion(stand_ins[:1], domain.tenant, is_default=True)
        return await self._oldest_account(domain)

    def _seconds(self, positive: bool) -> float:
        return self._limits.positive_seconds if positive else self._limits.negative_seconds


def _reason_of(ends: Sequence[Destination]) -> Unknown:
    """Return why an alias has no recipient: a loop goes first, because only its owner can end it."""
    reasons = [each.resolution for each in ends if isinstance(each.resolution, Unknown)]
    return next((each for each in reasons if each.status == LOOP.status), NO_LIVING_TARGET)
