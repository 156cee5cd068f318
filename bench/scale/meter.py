"""Measure one job: documents that the store examined and returned; time, CPU and memory of this process."""

import asyncio
import resource
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import psutil

from mailyard.store.client import Row, Store

_PROFILE_OCTETS = 256 * 2**20
_SAMPLE_SECONDS = 0.005
_RETURNED = ("nreturned", "nMatched", "ndeleted", "ninserted")


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one job."""

    documents: int  # examined
    keys: int  # examined
    returned: int  # documents that came back, or were written
    commands: int
    seconds: float
    cpu_seconds: float  # of this process: what the event loop could not do anything else in
    memory_octets: int  # peak of this process above what it had before


class Meter:
    """Measures jobs on one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def prepare(self) -> None:
        """Make room for the profile of many commands."""
        db = self._store.db
        await db.command("profile", 0)
        await db.drop_collection("system.profile")
        await db.create_collection("system.profile", capped=True, size=_PROFILE_OCTETS)

    async def measure(self, work: Callable[[], Awaitable[object]]) -> Cost:
        """Do the work and return its cost."""
        await self.prepare()
        await self._store.db.command("profile", 2)
        with _MemoryPeak() as memory:
            began, cpu = time.monotonic(), _cpu_seconds()
            await work()
            seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds() - cpu
        await self._store.db.command("profile", 0)
        rows = (
            await self._store.collection("system.profile")
            .find({"ns": {"$not": {"$regex": "profile"}}})
            .to_list()
        )
        return Cost(
            documents=sum(row.get("docsExamined", 0) for row in rows),
            keys=sum(row.get("keysExamined", 0) for row in rows),
            returned=sum(_returned(row) for row in rows),
            commands=len(rows),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            memory_octets=memory.octets,
        )


def _returned(row: Row) -> int:
    return sum(int(row.get(field, 0)) for field in _RETURNED)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class _MemoryPeak:
    """Samples the resident memory in a thread, so that work which never pauses is seen too."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self._peak = self._before
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def octets(self) -> int:
        return self._peak - self._before

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._peak = max(self._peak, self._process.memory_info().rss)


def run(work: Callable[[], Awaitable[int]]) -> int:
    """Run the benchmark in an event loop."""

    async def main() -> int:
        return await work()

    return asyncio.run(main())
