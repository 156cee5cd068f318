"""Who gets a connection: so many in all, so many for each client address, and no more than files may be open."""

import resource
from collections import Counter
from enum import StrEnum

_BUSY_SHARE = 0.75
_HELD_SHARE = 0.5
_OTHER_FILES = 256  # sockets to store and broker, logs, libraries


class Crowded(StrEnum):
    """Which limit keeps a client out; the value is a metric's label."""

    TOTAL = "total"
    ADDRESS = "address"


class Admission:
    """Counts the open connections of the process."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """Admit `most` in all and `most_per_address` from one address; 0: no limit for one address."""
        self._most = most
        self._most_per_address = most_per_address
        self._open: Counter[str] = Counter()
        self._total = 0
        self._held = 0

    @property
    def is_busy(self) -> bool:
        """Room gets scarce: idle clients should go."""
        return self._total > self._most * _BUSY_SHARE

    def refusal(self, address: str | None) -> Crowded | None:
        """Count a connection in, or say why it cannot stay; who is refused is not counted.

        Without an address, as of a balancer that calls for itself, only the limit for all holds.
        """
        if self._total >= self._most:
            return Crowded.TOTAL
        if address is not None:
            if self._most_per_address and self._open[address] >= self._most_per_address:
                return Crowded.ADDRESS
            self._open[address] += 1
        self._total += 1
        return None

    def gone(self, address: str | None) -> None:
        """Count a connection out."""
        self._total -= 1
        if address is None:
            return
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]

    def hold(self) -> bool:
        """Keep a place for a connection whose client is not known yet; False where too many are kept already."""
        if self._total >= self._most or self._held >= max(self._most * _HELD_SHARE, 1):
            return False
        self._held += 1
        self._total += 1
        return True

    def release(self) -> None:
        """Give such a place back."""
        self._held -= 1
        self._total -= 1


def raise_file_limit(connections: int) -> int:
    """Raise the limit of open files as far as we may; return how many connections there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(min(connections, soft - _OTHER_FILES), 1)
