"""Looks up domains and addresses, with a cache in front: what a mail server asks thousands of times a second.

The cache holds for seconds only, so a change is seen everywhere at once by people's measure. What is not cached is
asked in batches: everyone who asks while a query is under way shares the next one.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from mailyard.directory.addresses import Addresses
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.directory.domains import Domains
from mailyard.directory.expansion import AliasWalk
from mailyard.directory.model import Destination, Domain, Expansion, LocalAccount, Remote, Resolution
from mailyard.directory.resolution import keys_of, resolution_of
from mailyard.message.address import Address
from mailyard.runtime.metrics import histogram
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

_BATCH = 500
_BATCH_SIZE = histogram("mailyard_directory_lookup_addresses")


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How long answers are kept, and how many."""

    positive_seconds: float = 10.0
    negative_seconds: float = 5.0
    entries: int = 20_000


class Directory:
    """Domains and addresses. Every method that awaits raises `Unavailable` when the store is away."""

    def __init__(
        self, store: Store, limits: CacheLimits | None = None, *, clock: Monotonic = time.monotonic
    ) -> None:
        """Read from `store`; `clock` gives seconds and never goes back."""
        self._limits = limits or CacheLimits()
        self._domains = Domains(store)
        self._addresses = Addresses(store)
        self._known_domains: TtlCache[str, Domain | Remote] = TtlCache(self._limits.entries, clock)
        self._known: TtlCache[str, Resolution] = TtlCache(self._limits.entries, clock)
        self._questions: GroupCommit[Address, list[Resolution], Resolution] = GroupCommit(
            self._ask, _unchanged, max_items=_BATCH, max_octets=_BATCH
        )

    def domain_cached(self, name: str) -> Domain | Remote | None:
        """Peek: the domain, `Remote` when it is known not to be ours, None when `domain` must be awaited."""
        return self._known_domains.get(name)

    def resolve_cached(self, address: Address) -> Resolution | None:
        """Peek: the resolution, None when `resolve` must be awaited."""
        return self._known.get(address.key)

    async def domain(self, name: str) -> Domain | None:
        """Return the domain of this name (lower case, A-labels), None when it is not ours."""
        found = (await self._domains_of([name]))[name]
        return found if isinstance(found, Domain) else None

    async def resolve(self, address: Address) -> Resolution:
        """Say what becomes of mail for an address, one step; `expand` goes all the way."""
        return self.resolve_cached(address) or await self._questions.submit(address)

    async def resolve_many(self, addresses: Sequence[Address]) -> list[Resolution]:
        """Resolve each address, in order, with two queries at most."""
        found = {address: self.resolve_cached(address) for address in addresses}
        missing = [address for address, known in found.items() if known is None]
        answers = dict(zip(missing, await self._ask(missing), strict=True)) if missing else {}
        return [found[address] or answers[address] for address in addresses]

    async def expand(self, address: Address) -> tuple[Destination, ...]:
        """Follow aliases to the end: accounts, remote and unknown addresses, each once, never none."""
        return (await self.expand_many([address]))[0]

    async def expand_many(self, addresses: Iterable[Address]) -> list[tuple[Destination, ...]]:
        """Expand each address by itself, in order, with two queries at most for each depth of aliases."""
        walks = [AliasWalk(address) for address in addresses]
        while pending := list(dict.fromkeys(address for walk in walks for address in walk.pending)):
            resolutions = dict(zip(pending, await self.resolve_many(pending), strict=True))
            for walk in walks:
                walk.feed(resolutions)
        return [walk.destinations() for walk in walks]

    async def _ask(self, addresses: Sequence[Address]) -> list[Resolution]:
        _BATCH_SIZE.observe(len(addresses))
        domains = await self._domains_of({address.domain for address in addresses})
        keys = {
            key
            for address in addresses
            if isinstance(domains[address.domain], Domain)
            for key in keys_of(address)
        }
        found = await self._addresses.entry_by_keys(keys) if keys else {}
        answers = []
        for address in addresses:
            domain = domains[address.domain]
            answer = resolution_of(address, domain if isinstance(domain, Domain) else None, found)
            self._known.put(address.key, answer, self._seconds(isinstance(answer, LocalAccount | Expansion)))
            answers.append(answer)
        return answers

    async def _domains_of(self, names: Collection[str]) -> dict[str, Domain | Remote]:
        known = {name: self._known_domains.get(name) for name in names}
        missing = [name for name, domain in known.items() if domain is None]
        found = await self._domains.entry_by_names(missing) if missing else {}
        answers = {name: domain or found.get(name) or Remote(name) for name, domain in known.items()}
        for name in missing:
            self._known_domains.put(name, answers[name], self._seconds(isinstance(answers[name], Domain)))
        return answers

    def _seconds(self, positive: bool) -> float:
        return self._limits.positive_seconds if positive else self._limits.negative_seconds


async def _unchanged(answers: list[Resolution]) -> list[Resolution]:
    return answers
