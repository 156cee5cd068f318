"""The pause after failed logins: free at first, then twice as long each time. Pure.

Failures fade with time, not with success: the owner of one account must not be able to reset the count of guesses at others.
Counted in this process alone: n processes allow n times as many free guesses; after these the pause doubles with
each guess, so n processes allow n guesses in each longest pause.
"""

import math
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """`free` failures cost nothing; then 1, 2, 4 … seconds up to `longest_seconds`; one fades each `fade_seconds`."""

    free: int
    longest_seconds: float = 300.0
    fade_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class _Failures:
    level: float
    at: float


class Attempts:
    """Failures by key: a login name or a network."""

    def __init__(self, limits: AttemptLimits, *, max_keys: int = 50_000) -> None:
        """Remember at most `max_keys`; the one that failed least recently is forgotten first."""
        self._limits = limits
        self._max_keys = max_keys
        self._failures: dict[str, _Failures] = {}

    def wait_seconds(self, key: str, now: float) -> float:
        """Return how long the next try must wait; 0: it may be made."""
        failures = self._failures.get(key)
        if failures is None or failures.level <= self._limits.free:
            return 0.0
        beyond = min(failures.level - self._limits.free - 1, 32.0)
        pause = min(self._limits.longest_seconds, math.pow(2.0, beyond))
        return max(0.0, failures.at + pause - now)

    def failed(self, key: str, now: float) -> None:
        """Count a failure."""
        level = self._level(key, now) + 1
        self._failures.pop(key, None)
        if len(self._failures) >= self._max_keys:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = _Failures(level, now)

    def _level(self, key: str, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        return max(0.0, failures.level - (now - failures.at) / self._limits.fade_seconds)


@dataclass(frozen=True, slots=True)
class ClientNetwork:
    """The client of a login: `address` is one customer, `network` is the network around it."""

    address: str
    network: str


def client_of(client_ip: str) -> ClientNetwork:
    """Name the address and the network of a client; other text stands for itself.

    An address is /32 of IPv4 or /64 of IPv6, which is what one customer holds (RFC 6177). A network is /24 or /48.
    """
    try:
        address = ip_address(client_ip)
    except ValueError:
        return ClientNetwork(client_ip, client_ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv6Address):
        one, near = (IPv6Network((address.packed, prefix), strict=False) for prefix in (64, 48))
        return ClientNetwork(str(one), str(near))
    return ClientNetwork(str(address), str(IPv4Network((address.packed, 24), strict=False)))
