"""A cache whose entries expire, and whose number is limited."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Monotonic = Callable[[], float]


async def unchanged(answers: list[V]) -> list[V]:
    """Return the answers of a batch of look-ups as they are: for `GroupCommit`, which looks up as it commits."""
    return answers


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How long answers of the directory are kept, and how many."""

    positive_seconds: float = 10.0
    negative_seconds: float = 5.0
    entries: int = 20_000


class TtlCache(Generic[K, V]):
    """Keeps values for a while; when it is full the entry that was put first goes. No value may be None."""

    __slots__ = ("_clock", "_entries", "_limit")

    def __init__(self, limit: int, clock: Monotonic) -> None:
        """Keep at most `limit` entries; `clock` gives seconds and never goes back."""
        self._entries: dict[K, tuple[float, V]] = {}
        self._limit = limit
        self._clock = clock

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value, None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] > self._clock():
            return entry[1]
        del self._entries[key]
        return None

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep a value for so many seconds."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock() + seconds, value)

    def forget(self, key: K) -> None:
        """Drop an entry if it is there."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
