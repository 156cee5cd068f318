"""The connections of the whole process: shared between tenants, with a reserve that slow and unknown sites do not get."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailyard.relay.busy import SiteBusy, Stopping
from mailyard.relay.standing import Standing

_BUSY_SHARE: Final = 0.7  # of all connections: from here on the relay is short of them


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Shares of `connections`, from 0 to 1; each share is at least one connection."""

    connections: int = 500
    tenant: float = 0.5  # the most of one tenant
    slow: float = 0.5  # the most of all slow sites together
    reserve: float = 0.1  # kept for sites of good standing, of all connections and of each tenant's

    def most(self, standing: Standing) -> int:
        """Return how many connections may be in use when one more of this standing begins."""
        if standing is Standing.GOOD:
            return self.connections
        return max(1, self.connections - int(self.connections * self.reserve))

    @property
    def most_slow(self) -> int:
        """Return the limit of connections of slow sites."""
        return max(1, int(self.connections * self.slow))

    def most_of_a_tenant(self, standing: Standing, *, first: bool) -> int:
        """Return the limit of connections of one tenant, waiting ones included, when one more begins; `first`: the only one of its site.

        A tenant whose mail waits at many hosts that answer late keeps one reserve for sites of good standing, and a
        second one for sites that have no connection yet.
        """
        share = max(1, int(self.connections * self.tenant))
        reserve = int(share * self.reserve)
        if standing is Standing.GOOD:
            return share
        return max(1, share - (reserve if first and standing is Standing.UNKNOWN else 2 * reserve))


class ConnectionLimiter:
    """Count the connections in use. Waiting legs are served by standing, then in order of arrival."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._used: Counter[Standing] = Counter()
        self._of_tenant: Counter[str] = Counter()
        self._lines: Mapping[Standing, deque[asyncio.Future[None]]] = {each: deque() for each in Standing}

    @property
    def used(self) -> int:
        """Return the connections in use."""
        return self._used.total()

    @property
    def busy(self) -> bool:
        """Tell whether connections are short, so that hosts get less time for their replies."""
        return self.used >= self._limits.connections * _BUSY_SHARE

    async def enter(self, standing: Standing, tenant: str, seconds: float, *, first: bool = False) -> None:
        """Take a connection, waiting for at most `seconds`. `first`: the site has no other one. Raises SiteBusy."""
        if self._of_tenant[tenant] >= self._limits.most_of_a_tenant(standing, first=first):
            raise SiteBusy("the sender's share of connections is in use")
        self._of_tenant[tenant] += 1
        try:
            await self._wait(standing, seconds)
        except BaseException:
            self._forget(tenant)
            raise

    def leave(self, standing: Standing, tenant: str) -> None:
        """Give a connection back."""
        self._used[standing] -= 1
        self._forget(tenant)
        self._admit()

    def dismiss(self) -> None:
        """Reject all legs that wait, because relay stops."""
        for line in self._lines.values():
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_exception(Stopping("relay is stopping"))

    async def _wait(self, standing: Standing, seconds: float) -> None:
        line = self._lines[standing]
        if not line and self._has_place(standing):
            self._used[standing] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            self._give_up(standing, turn)
            if isinstance(error, TimeoutError):
                raise SiteBusy("all connections are in use") from None
            raise

    def _has_place(self, standing: Standing) -> bool:
        if standing is Standing.SLOW and self._used[standing] >= self._limits.most_slow:
            return False
        return self.used < self._limits.most(standing)

    def _admit(self) -> None:
        for standing, line in self._lines.items():
            while line and self._has_place(standing):
                turn = line.popleft()
                if not turn.done():
                    self._used[standing] += 1
                    turn.set_result(None)

    def _give_up(self, standing: Standing, turn: asyncio.Future[None]) -> None:
        """Remove a waiting leg; a connection that it was given at the last moment goes to the next one."""
        line = self._lines[standing]
        if turn in line:
            line.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self._used[standing] -= 1
            self._admit()

    def _forget(self, tenant: str) -> None:
        self._of_tenant[tenant] -= 1
        if not self._of_tenant[tenant]:
            del self._of_tenant[tenant]
