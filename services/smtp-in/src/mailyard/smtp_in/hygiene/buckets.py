"""Token buckets by key, bounded in number. Pure.

They count in this process alone: n processes permit n times as much.
"""

from dataclasses import dataclass

MAX_KEYS = 20_000


@dataclass(slots=True)
class _Bucket:
    used: float
    at: float


class Buckets:
    """Permits `burst` at once and `per_second` for long. The key that was used least recently is forgotten first."""

    def __init__(self, burst: float, per_second: float, *, max_keys: int = MAX_KEYS) -> None:
        self._burst = burst
        self._per_second = per_second
        self._max_keys = max_keys
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> bool:
        """Take one token; return whether there was one. A refused try takes none."""
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                del self._buckets[next(iter(self._buckets))]
            bucket = _Bucket(0.0, now)
        else:
            bucket.used = max(0.0, bucket.used - (now - bucket.at) * self._per_second)
            bucket.at = now
        self._buckets[key] = bucket
        if bucket.used + 1 > self._burst:
            return False
        bucket.used += 1
        return True

    def is_empty(self, key: str, now: float) -> bool:
        """Say whether `take` would fail."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return False
        return max(0.0, bucket.used - (now - bucket.at) * self._per_second) + 1 > self._burst
