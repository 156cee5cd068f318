"""Questions to the DNS with bounds: few under way at once, each question once, and servers without answers left alone."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.dns.resolver import DnsResolver

Answer = DnsAnswer[str] | DnsFailure
_FAILURES = 5
_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class _Health:
    failures: int = 0  # without an answer between them
    until: float = 0.0  # not asked before


class DnsQuestions:
    """Asks, where the answer is not in the cache of the resolver.

    `group` names the server that answers, such as the zone of a blocklist: after five questions in a row without an answer, its
    questions are unanswered at once for 30 seconds. So an outage delays few connections.
    """

    def __init__(
        self, resolver: DnsResolver, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Have at most `at_once` questions under way; more are unanswered at once."""
        self._resolver = resolver
        self._at_once = at_once
        self._clock = clock
        self._under_way: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._health: dict[str, _Health] = {}

    def ask(self, name: str, kind: str, group: str = "") -> "Answer | asyncio.Task[Answer]":
        """Return the answer if it is known, else the task that gets it; others may wait for the same task."""
        known = self._resolver.resolve_cached(name, kind)
        if known is not None:
            return known
        key = (name, kind)
        task = self._under_way.get(key)
        if task is not None:
            return task
        if len(self._under_way) >= self._at_once or self._is_paused(group):
            return DnsFailure.UNANSWERED
        task = asyncio.create_task(self._resolve(key, group))
        self._under_way[key] = task
        return task

    def _is_paused(self, group: str) -> bool:
        health = self._health.get(group)
        return health is not None and self._clock() < health.until

    async def _resolve(self, key: tuple[str, str], group: str) -> Answer:
        try:
            answer = await self._resolver.resolve(*key)
        finally:
            del self._under_way[key]
        if group:
            self._note(
                self._health.setdefault(group, _Health()), answered=answer is not DnsFailure.UNANSWERED
            )
        return answer

    def _note(self, health: _Health, *, answered: bool) -> None:
        health.failures = 0 if answered else health.failures + 1
        if health.failures >= _FAILURES:
            health.until = self._clock() + _PAUSE_SECONDS


async def settled(asked: "Iterable[Answer | asyncio.Task[Answer]]") -> list[Answer]:
    """Wait for all answers, in order. Whoever stops waiting cancels no question, because others may wait for it."""
    asked = list(asked)
    tasks = {each for each in asked if isinstance(each, asyncio.Task)}
    if tasks:
        await asyncio.wait(tasks)
    return [each.result() if isinstance(each, asyncio.Task) else each for each in asked]
