"""The domains that were looked up some seconds ago, with all that their tenants and resellers decide about them.

One query answers for addresses (`directory`) and for policies (`policies`).
"""

import time
from collections.abc import Collection, Sequence

from mailyard.directory.cache import CacheLimits, Monotonic, TtlCache, unchanged
from mailyard.directory.domains import Domains
from mailyard.directory.model import Domain, Remote
from mailyard.store.client import Store
from mailyard.store.group import GroupCommit

_BATCH = 500


class DomainCache:
    """Domains by name; `Remote` stands for those that are not of this installation."""

    def __init__(
        self, store: Store, limits: CacheLimits | None = None, *, clock: Monotonic = time.monotonic
    ) -> None:
        """Read from `store`; `clock` gives seconds and never goes back."""
        self._domains = Domains(store)
        self._limits = limits or CacheLimits()
        self._known: TtlCache[str, Domain | Remote] = TtlCache(self._limits.entries, clock)
        self._generation = 0
        self._questions: GroupCommit[str, list[Domain | Remote], Domain | Remote] = GroupCommit(
            self._ask, unchanged, max_items=_BATCH, max_octets=_BATCH
        )

    def forget(self) -> None:
        """Drop everything that is cached, and the answers of queries that are under way: they may be older."""
        self._known.clear()
        self._generation += 1

    def cached(self, name: str) -> Domain | Remote | None:
        """Peek: None when `one` must be awaited."""
        return self._known.get(name)

    def put(self, name: str, domain: Domain | Remote) -> None:
        """Keep an answer for the time that its kind is kept."""
        limits = self._limits
        seconds = limits.positive_seconds if isinstance(domain, Domain) else limits.negative_seconds
        self._known.put(name, domain, seconds)

    async def one(self, name: str) -> Domain | Remote:
        """Look a domain up; those that are asked for at the same time share a query. Raises Unavailable."""
        return self._known.get(name) or await self._questions.submit(name)

    async def many(self, names: Collection[str], *, with_remote: bool = True) -> dict[str, Domain | Remote]:
        """Look domains up with one query at most; without `with_remote`, those that were not ours are asked again.

        Raises:
            Unavailable: the store is unreachable.

        """
        known = {name: self._known.get(name) for name in names}
        missing = [
            name
            for name, domain in known.items()
            if domain is None or (isinstance(domain, Remote) and not with_remote)
        ]
        asked = dict(zip(missing, await self._ask(missing), strict=True)) if missing else {}
        return {name: asked.get(name) or domain or Remote(name) for name, domain in known.items()}

    async def _ask(self, names: Sequence[str]) -> list[Domain | Remote]:
        generation = self._generation
        found = await self._domains.entry_by_names(names)
        answers = [found.get(name) or Remote(name) for name in names]
        for name, domain in zip(names, answers, strict=True) if generation == self._generation else ():
            self.put(name, domain)
        return answers
