"""Permits for connections to one site: a limited number, and a bounded line of legs that wait for one.

A site is what one operator runs: a large provider, else all hosts below one registered domain. A slow site fills its
own line and nobody else's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailyard.relay.busy import BusyWait, SiteBusy, Stopping
from mailyard.relay.providers import OTHER, provider_of
from mailyard.relay.route import Host, literal_address

_SECOND_LEVEL: Final = frozenset(
    [
        "ac",
        "co",
        "com",
        "edu",
        "go",
        "gob",
        "gov",
        "gv",
        "info",
        "ltd",
        "me",
        "mil",
        "ne",
        "net",
        "nhs",
        "nom",
        "or",
        "org",
        "plc",
        "sch",
    ]
)
"""Labels below a country's domain under which others register, as in `example.co.uk`."""


@dataclass(slots=True)
class WaitingLegs:
    """How many legs wait in the lines of all sites, and how many may: the other legs in hand must go on."""

    most: int
    waiting: int = 0

    @property
    def full(self) -> bool:
        """Tell whether only short lines may still grow."""
        return self.waiting >= self.most


class Site:
    """`limit` may fall while more connections are in use; then none begins until enough have ended."""

    def __init__(
        self, connections: int, waiting: int, lines: WaitingLegs, busy: BusyWait, clock: Callable[[], float]
    ) -> None:
        """`lines`: those of all sites. `clock`: monotonic seconds."""
        self.limit = connections
        self._lines = lines
        self._waiting = waiting
        self._busy = busy
        self._clock = clock
        self._in_use = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def in_use(self) -> int:
        """Return the connections that are open for a leg, or are being opened."""
        return self._in_use

    def forgettable(self, now: float) -> bool:
        """Tell whether the site has no state that must be kept."""
        return not self._in_use and not self._line and not self._busy.goes_on(now)

    async def enter(self, seconds: float) -> None:
        """Take a permit for a connection, waiting in line for at most `seconds`. Raises SiteBusy."""
        if self._in_use < self.limit and not self._line:
            self._in_use += 1
            return
        if len(self._line) >= self._waiting or (self._lines.full and len(self._line) >= self.limit):
            raise self.postponed("all connections to the host are in use")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._lines.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            self._give_up(turn)
            if isinstance(error, TimeoutError):
                raise self.postponed("all connections to the host have been in use for too long") from None
            raise

    def leave(self) -> None:
        """Give a permit back; the next leg in line gets it."""
        self._in_use -= 1
        self.serve()

    def serve(self) -> None:
        """Give free permits to the legs in line."""
        while self._line and self._in_use < self.limit:
            turn = self._next()
            if not turn.done():
                self._in_use += 1
                turn.set_result(None)

    def served(self) -> None:
        """Note that a leg has its connection. When no leg waits, the site is not busy any more."""
        if not self._line:
            self._busy.end()

    def postponed(self, reason: str) -> SiteBusy:
        """Return the error for a leg that gets no connection, with the time for which it should wait."""
        return SiteBusy(reason, self._busy.next(self._clock()))

    def dismiss(self) -> None:
        """Reject all legs in line, because relay stops."""
        while self._line:
            turn = self._next()
            if not turn.done():
                turn.set_exception(Stopping("relay is stopping"))

    def _next(self) -> asyncio.Future[None]:
        self._lines.waiting -= 1
        return self._line.popleft()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        """Remove a leg from the line; a permit that it was given at the last moment goes to the next one."""
        if turn in self._line:
            self._line.remove(turn)
            self._lines.waiting -= 1
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self.leave()


def site_of(host: Host, *, configured: bool) -> str:
    """Return the name of a host's site: the next hop itself, a provider, an address literal, or a registered domain."""
    if configured:
        return f"{host.name}:{host.port}"
    if literal_address(host.name) is not None:
        return host.name
    provider = provider_of(host.name)
    return registered_domain(host.name) if provider == OTHER else provider


def registered_domain(name: str) -> str:
    """Return the registered domain of a name, by a rule of thumb: two labels, three below `co.uk` and the like."""
    labels = name.lower().rstrip(".").split(".")
    below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if below_country else -2 :])
