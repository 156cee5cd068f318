"""All open sessions: lent to one leg at a time, kept for the next one, limited for each host and in all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from mailyard.relay.connector import Refusal
from mailyard.relay.destination import Host
from mailyard.relay.nexthop import Policy
from mailyard.relay.session import Session
from mailyard.relay.site import Site, SiteBusy, Stopping
from mailyard.runtime.metrics import gauge

_SWEEP_SECONDS: Final = 1.0
SiteKey = tuple[str, int, Policy]


class Connects(Protocol):
    """Opens sessions."""

    async def connect(self, host: Host, policy: Policy, *, configured: bool) -> Session | Refusal:
        """A session, or why there is none."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """See the settings of the same names."""

    connections: int = 500
    site_connections: int = 20
    site_waiting: int = 500
    waiting_seconds: float = 60.0
    pause_seconds: float = 60.0
    connection_messages: int = 100
    idle_seconds: float = 10.0


class Pool:
    """Lends sessions."""

    def __init__(self, connector: Connects, limits: PoolLimits, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._connector = connector
        self._limits = limits
        self._clock = clock
        self._sites: dict[SiteKey, Site[Session]] = {}
        self._keys: dict[Session, SiteKey] = {}
        self._room = asyncio.Semaphore(limits.connections)
        self._stopping = False
        self._open = gauge("mailyard_relay_connections_open")

    async def borrow(self, host: Host, policy: Policy, *, configured: bool) -> Session | Refusal:
        """A session with the host, used before or new; `give_back` it. Raises SiteBusy."""
        site = self._site(host, policy)
        if (resting := site.refusal(self._clock())) is not None:
            return resting
        if self._stopping:
            raise Stopping("relay is stopping")
        session = await site.enter(self._limits.waiting_seconds)
        if session is not None:
            if session.usable:
                return session
            self._drop(session)
        try:
            return await self._make(site, host, policy, configured=configured)
        except BaseException:
            site.leave(None)
            raise

    def give_back(self, session: Session) -> None:
        """Keep the session for the next leg, or end it."""
        site = self._sites[self._keys[session]]
        worn = session.transactions >= self._limits.connection_messages
        if self._stopping or worn or not session.usable:
            self._drop(session)
            site.leave(None)
        else:
            session.idle_since = self._clock()
            site.leave(session)

    def stop(self) -> None:
        """Nobody borrows any more; whoever waits is sent away."""
        self._stopping = True
        for site in self._sites.values():
            site.dismiss()

    async def sweep(self) -> None:
        """End sessions that have been idle for too long, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.end_idle(self._clock() - self._limits.idle_seconds)

    def end_idle(self, before: float) -> int:
        """End sessions that have been idle since `before`; return how many. Forget sites without use."""
        ended = [session for site in self._sites.values() for session in site.take_idle(before)]
        for session in ended:
            self._drop(session)
        for key in [
            key for key, site in self._sites.items() if site.refusal(self._clock()) is None and site.unused
        ]:
            del self._sites[key]
        return len(ended)

    def close(self) -> None:
        """End everything."""
        for session in list(self._keys):
            self._drop(session)

    def _site(self, host: Host, policy: Policy) -> Site[Session]:
        key = (host.name, host.port, policy)
        if key not in self._sites:
            self._sites[key] = Site(self._limits.site_connections, self._limits.site_waiting)
        return self._sites[key]

    async def _make(
        self, site: Site[Session], host: Host, policy: Policy, *, configured: bool
    ) -> Session | Refusal:
        """Connect for a slot that we have; a refusal gives the slot back."""
        if (resting := site.refusal(self._clock())) is not None:
            site.leave(None)
            return resting
        await self._find_room()
        try:
            opened = await self._connector.connect(host, policy, configured=configured)
        except BaseException:
            self._room.release()
            raise
        if isinstance(opened, Session):
            site.reached()
            self._keys[opened] = (host.name, host.port, policy)
            self._open.set(len(self._keys))
            return opened
        self._room.release()
        if (host.name, host.port, policy) not in self._keys.values():
            # With other connections of ours open it is busy, not down.
            site.rest(opened, self._clock() + self._limits.pause_seconds)
        site.leave(None)
        return opened

    async def _find_room(self) -> None:
        """One connection more; the idle ones of other hosts go first."""
        if self._room.locked():
            self.end_idle(self._clock())
        try:
            async with asyncio.timeout(self._limits.waiting_seconds):
                await self._room.acquire()
        except TimeoutError:
            raise SiteBusy("all connections are in use") from None

    def _drop(self, session: Session) -> None:
        session.close()
        del self._keys[session]
        self._open.set(len(self._keys))
        self._room.release()
