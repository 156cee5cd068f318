"""The time for which a leg is deferred when its site has no free connection. It grows while the site is busy. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class SiteBusy(Exception):
    """No connection is free for the leg: defer it for `seconds`, None: for the usual time."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class AddressesBusy(SiteBusy):
    """The addresses of a host have as many connections as they may have; another host may be reachable."""

    def __init__(self, addresses: Sequence[str], reason: str, seconds: float | None = None) -> None:
        """`addresses`: those that were passed over."""
        super().__init__(reason, seconds)
        self.addresses = addresses


class Stopping(SiteBusy):
    """Relay is stopping: another process sends the leg at once."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, 0.0)


@dataclass(frozen=True, slots=True)
class BusyLimits:
    """Seconds of the first wait and of the longest one."""

    first: float = 30.0
    longest: float = 900.0


class BusyWait:
    """The waits of one site. A site that is busy again after a wait gets twice that wait for all that come then.

    Each leg's own wait is drawn evenly from half to one and a half of it, so that legs do not come back together.
    """

    def __init__(self, limits: BusyLimits, rng: Callable[[], float]) -> None:
        """`rng`: a number from 0 to 1."""
        self._limits = limits
        self._rng = rng
        self._wait = 0.0
        self._until = 0.0

    def next(self, now: float) -> float:
        """Return the seconds for which the next leg without a connection waits."""
        if now >= self._until:
            longer = min(2 * self._wait, self._limits.longest)
            self._wait = longer if self.goes_on(now) else self._limits.first
            self._until = now + self._wait
        return self._wait * (0.5 + self._rng())

    def goes_on(self, now: float) -> bool:
        """Tell whether legs that were deferred may still come back."""
        return now < self._until + self._wait

    def end(self) -> None:
        """Note that the site has a free connection again."""
        self._wait = self._until = 0.0
