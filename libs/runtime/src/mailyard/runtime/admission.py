"""Who gets a connection: so many in all, so many for each client address, and no more than files may be open."""

import resource
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network

from mailyard.runtime.callers import parsed

IPV6_PREFIX = 64
"""RFC 6177: the smallest network that one site is given."""
_BUSY_SHARE = 0.75
_HELD_SHARE = 0.5
_OTHER_FILES = 256  # sockets to store and broker, logs, libraries


@lru_cache(maxsize=8192)
def counted_network(address: str, ipv6_prefix: int = IPV6_PREFIX) -> str:
    """Return what an address is counted as: IPv4 as itself, also within IPv6; IPv6 as its network; else the text."""
    known = parsed(address.partition("%")[0])
    if known is None or known.version == 4:
        return str(known or address)
    return str(ip_network((known, ipv6_prefix), strict=False))


class Crowded(StrEnum):
    """Which limit keeps a client out; the value is a metric's label."""

    TOTAL = "total"
    ADDRESS = "address"


class Admission:
    """Counts the open connections of the process."""

    def __init__(self, most: int, most_per_address: int, *, ipv6_prefix: int = IPV6_PREFIX) -> None:
        """Admit `most` in all and `most_per_address` from one address; 0: no limit for one address.

        IPv6 addresses count by their first `ipv6_prefix` bits: a client has a whole network of them (RFC 6177).
        """
        self._ipv6_prefix = ipv6_prefix
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
        network = None if address is None else counted_network(address, self._ipv6_prefix)
        if network is not None and self._most_per_address and self._open[network] >= self._most_per_address:
            return Crowded.ADDRESS
        if self._total >= self._most:
            return Crowded.TOTAL
        if network is not None:
            self._open[network] += 1
        self._total += 1
        return None

    def gone(self, address: str | None) -> None:
        """Count a connection out."""
        self._total -= 1
        if address is None:
            return
        address = counted_network(address, self._ipv6_prefix)
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
