"""Limits on open connections: of the process, of one client address or network, and by the limit of open files."""

import resource
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network

from mailyard.listening.address import parse_ip

IPV6_PREFIX = 64
"""RFC 6177: the smallest network that one site is given."""
_BUSY_SHARE = 0.75
_RESERVED_SHARE = 0.5
_OTHER_FILES = 256  # sockets to store and broker, logs, libraries


@lru_cache(maxsize=8192)
def counted_network(address: str, ipv6_prefix: int = IPV6_PREFIX) -> str:
    """Return what an address is counted as: IPv4 as itself, also within IPv6; IPv6 as its network; else the text."""
    known = parse_ip(address.partition("%")[0])
    if known is None or known.version == 4:
        return str(known or address)
    return str(ip_network((known, ipv6_prefix), strict=False))


class ConnectionLimit(StrEnum):
    """The limit that refuses a connection; the value is a metric's label."""

    TOTAL = "total"
    ADDRESS = "address"
    UNAUTHENTICATED = "unauthenticated"


class Admission:
    """Counts the open connections of the process."""

    def __init__(self, most: int, most_per_address: int, *, ipv6_prefix: int = IPV6_PREFIX) -> None:
        """Admit `most` in all and `most_per_address` from one address; 0: no limit for one address.

        IPv6 addresses count by their first `ipv6_prefix` bits: a client has a whole network of them (RFC 6177).
        """
        self._ipv6_prefix = ipv6_prefix
        self.most = most
        self._most_per_address = most_per_address
        self._open: Counter[str] = Counter()
        self._total = 0
        self._reserved = 0

    @property
    def is_busy(self) -> bool:
        """Whether few connections are free, so that idle clients should go."""
        return self._total > self.most * _BUSY_SHARE

    def admit(self, address: str | None) -> ConnectionLimit | None:
        """Count a connection, or return the limit that refuses it; a refused connection is not counted.

        Without an address, as of a load balancer that connects for itself, only the limit of the process holds.
        """
        network = None if address is None else counted_network(address, self._ipv6_prefix)
        if network is not None and self._most_per_address and self._open[network] >= self._most_per_address:
            return ConnectionLimit.ADDRESS
        if self._total >= self.most:
            return ConnectionLimit.TOTAL
        if network is not None:
            self._open[network] += 1
        self._total += 1
        return None

    def leave(self, address: str | None) -> None:
        """Forget a connection that was admitted."""
        self._total -= 1
        if address is None:
            return
        address = counted_network(address, self._ipv6_prefix)
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]

    def reserve(self) -> bool:
        """Count a connection whose client is not known yet; False where too many are reserved already."""
        if self._total >= self.most or self._reserved >= max(self.most * _RESERVED_SHARE, 1):
            return False
        self._reserved += 1
        self._total += 1
        return True

    def release(self) -> None:
        """Forget one reserved connection."""
        self._reserved -= 1
        self._total -= 1


def raise_file_limit(connections: int) -> int:
    """Raise the limit of open files as far as permitted; return how many connections it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(min(connections, soft - _OTHER_FILES), 1)
