"""The pause after failed logins: free at first, then twice as long each time, then a block for a fixed time. Pure.

Failures fade with time, not with success: the owner of one account must not be able to reset the count of guesses at others.
Failures that other processes report are counted here too (`throttle`), with the time at which they happened.
"""

import math
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

BLOCK_AFTER = 5  # a client that waits for each pause reaches 6 in a minute, and then failures fade as fast


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """`free` failures cost nothing; then 1, 2, 4 … seconds up to `longest_seconds`; one fades each `fade_seconds`.

    A failure that makes `BLOCK_AFTER` beyond the free ones blocks for `block_seconds`, which is never when it is 0.
    """

    free: int
    longest_seconds: float = 300.0
    fade_seconds: float = 60.0
    block_seconds: float = 0.0


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
        self._blocked: dict[str, float] = {}  # until when

    def wait_seconds(self, key: str, now: float) -> float:
        """Return how long the next try must wait, for a pause or for a block; 0: it may be made."""
        return max(self.pause_seconds(key, now), self.block_seconds(key, now))

    def pause_seconds(self, key: str, now: float) -> float:
        """Return how long the pause after the last failure still is."""
        failures = self._failures.get(key)
        if failures is None or failures.level <= self._limits.free:
            return 0.0
        beyond = min(failures.level - self._limits.free - 1, 32.0)
        pause = min(self._limits.longest_seconds, math.pow(2.0, beyond))
        return max(0.0, failures.at + pause - now)

    def block_seconds(self, key: str, now: float) -> float:
        """Return how long a block still is; 0: there is none."""
        until = self._blocked.get(key)
        if until is None:
            return 0.0
        if until <= now:
            del self._blocked[key]
            return 0.0
        return until - now

    def failed(self, key: str, at: float, count: int = 1) -> bool:
        """Count failures, which may have happened before the last one that was counted; return whether they block."""
        last = self._failures.pop(key, None)
        if last is None:
            failures = _Failures(float(count), at)
        elif at >= last.at:
            failures = _Failures(self._faded(last.level, at - last.at) + count, at)
        else:
            failures = _Failures(last.level + self._faded(float(count), last.at - at), last.at)
        if len(self._failures) >= self._max_keys:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = failures
        return (
            self._limits.block_seconds > 0
            and failures.level >= self._limits.free + BLOCK_AFTER
            and not self.block_seconds(key, at)
            and self.block(key, at + self._limits.block_seconds)
        )

    def block(self, key: str, until: float) -> bool:
        """Block a key; return True. When `max_keys` are blocked, the one that was blocked first is not any more."""
        self._blocked.pop(key, None)
        if len(self._blocked) >= self._max_keys:
            del self._blocked[next(iter(self._blocked))]
        self._blocked[key] = until
        return True

    def lift(self, key: str) -> None:
        """Forget the failures and the block of a key."""
        self._failures.pop(key, None)
        self._blocked.pop(key, None)

    def lift_blocks(self) -> None:
        """Forget all blocks; the failures still count."""
        self._blocked.clear()

    def _faded(self, level: float, seconds: float) -> float:
        return max(0.0, level - seconds / self._limits.fade_seconds)


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
