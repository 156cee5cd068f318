"""The pool of all open sessions: one leg at a time uses a session; their number is limited per site, per tenant and in all."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mailyard.relay.busy import AddressesBusy, BusyLimits, BusyWait, SiteBusy, Stopping
from mailyard.relay.connectionlimiter import ConnectionLimiter
from mailyard.relay.connector import MAX_ADDRESSES, ConnectFailure, Connector
from mailyard.relay.idlesessions import IdleSessions
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits, network_keys
from mailyard.relay.providers import PROVIDERS
from mailyard.relay.route import ConnectionKey, Host, RelayRoute
from mailyard.relay.session import ClientSession
from mailyard.relay.site import Site, WaitingLegs, site_of
from mailyard.relay.standing import QUICK_SECONDS, SLOW_SECONDS, Speeds, Standing
from mailyard.runtime.metrics import gauge

_SWEEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of the pool; the settings of the same names describe them."""

    connections: int = 500
    site_connections: int = 20
    provider_connections: int = 100
    site_waiting: int = 500
    waiting: int = 1000  # in the lines of all sites
    waiting_seconds: float = 60.0
    pause_seconds: float = 60.0
    connection_messages: int = 100
    idle_seconds: float = 10.0
    busy: BusyLimits = field(default_factory=BusyLimits)

    def of_site(self, name: str) -> int:
        """Return the limit of connections to a site that is not slow."""
        return self.provider_connections if name in PROVIDERS else self.site_connections


@dataclass(frozen=True, slots=True)
class SessionUse:
    """What one use of a session counts against; `opened_in`: seconds that opening took, 0 for a kept session."""

    site: str
    key: ConnectionKey
    standing: Standing
    tenant: str
    opened_in: float = 0.0


class Pool:
    """Share sessions between legs."""

    def __init__(
        self,
        connector: Connector,
        limiter: ConnectionLimiter,
        limits: PoolLimits,
        clock: Callable[[], float],
        *,
        networks: NetworkLimiter | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Share the connections out.

        Args:
            connector: opens them.
            limiter: counts them all.
            limits: see there.
            clock: monotonic seconds.
            networks: counts those to one address; the connector's own.
            rng: a number from 0 to 1.

        """
        self._connector = connector
        self._limiter = limiter
        self._networks = networks or NetworkLimiter(NetworkLimits())
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._sites: dict[str, Site] = {}
        self._lines = WaitingLegs(limits.waiting)
        self._speeds = Speeds(clock)
        self._down: dict[ConnectionKey, tuple[ConnectFailure, float]] = {}
        self._idle = IdleSessions()
        self._uses: dict[ClientSession, SessionUse] = {}
        self._opening: set[asyncio.Task[ClientSession | ConnectFailure]] = set()
        self._stopping = False
        self._open = gauge("mailyard_relay_connections_open")
        self._short = gauge("mailyard_relay_busy_state")

    async def acquire(
        self, host: Host, route: RelayRoute, tenant: str = "", *, in_line: bool = False
    ) -> ClientSession | ConnectFailure:
        """Return a session with a host of the route, used before or new; `release` it.

        A leg waits `in_line` for one of the host's addresses; else a host whose addresses are all in use is reported
        at once, so that another host can be tried. A leg that waits so holds no other limit meanwhile.

        Raises:
            AddressesBusy: the addresses are in use.
            SiteBusy: another limit is reached, or relay stops.

        """
        until = self._clock() + self._limits.waiting_seconds
        while True:
            try:
                return await self._acquire(host, route, tenant)
            except AddressesBusy as error:
                if not in_line:
                    raise
                full = error.addresses
            self._make_room_at(full)
            try:
                await self._networks.wait(full, max(0.0, until - self._clock()), self._lines)
            except AddressesBusy as error:
                site = self._site(site_of(host, configured=route.configured))
                raise site.postponed(str(error)) from None

    async def _acquire(self, host: Host, route: RelayRoute, tenant: str) -> ClientSession | ConnectFailure:
        key = route.key(host)
        if (failure := self._failure(key)) is not None:
            return failure
        if self._stopping:
            raise Stopping("relay is stopping")
        name = site_of(host, configured=route.configured)
        site = self._site(name)
        await site.enter(self._limits.waiting_seconds)
        standing = self._speeds.of(name).standing
        try:
            first = site.in_use == 1
            await self._limiter.enter(standing, tenant, self._limits.waiting_seconds, first=first)
        except BaseException as error:
            site.leave()
            raise _with_wait(error, site) from None
        use = SessionUse(name, key, standing, tenant)
        try:
            session = await self._session_for(use, host, route)
        except BaseException as error:
            self._end(use)
            raise _with_wait(error, site) from None
        site.served()
        return session

    def release(self, session: ClientSession) -> None:
        """Keep the session for the next leg, or end it."""
        use = self._uses.pop(session)
        self._measure(use, use.opened_in + session.take_waited(), well=session.usable)
        worn = session.transactions >= self._limits.connection_messages
        awaited = session.networks is not None and self._networks.is_awaited(session.networks)
        if self._stopping or worn or awaited or not session.usable:
            session.close()
        else:
            session.idle_since = self._clock()
            self._idle.keep(use.site, use.key, session)
        self._end(use)

    def stop(self) -> None:
        """Give out no more sessions, and reject the legs that wait for one."""
        self._stopping = True
        self._limiter.dismiss()
        self._networks.dismiss()
        for site in self._sites.values():
            site.dismiss()

    def cut(self) -> None:
        """End all sessions whose message is not complete: those messages may be sent again without harm."""
        for task in self._opening:
            task.cancel()
        for session in self._uses:
            if not session.awaits_final_reply:
                session.cut()

    async def sweep(self) -> None:
        """End sessions that have been idle for too long, again and again."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.end_idle(self._clock() - self._limits.idle_seconds)

    def end_idle(self, before: float) -> int:
        """End sessions that have been idle since `before`; return how many. Forget sites without use."""
        ended = self._idle.expired(before)
        for session in ended:
            session.close()
        now = self._clock()
        for name in [name for name, site in self._sites.items() if site.forgettable(now)]:
            if not self._idle.of_site(name):
                del self._sites[name]
        for key in [key for key, (_, until) in self._down.items() if now >= until]:
            del self._down[key]
        self._show()
        return len(ended)

    def close(self) -> None:
        """Close all sessions."""
        for session in [*self._uses, *self._idle.expired(float("inf"))]:
            session.close()

    async def _session_for(
        self, use: SessionUse, host: Host, route: RelayRoute
    ) -> ClientSession | ConnectFailure:
        """Return a kept session, or a new one; a failure ends the use."""
        while (session := self._idle.freshest(use.key)) is not None:
            if session.usable:
                self._uses[session] = use
                return session
            session.close()
        failure = self._failure(use.key)  # it may have come while the leg waited
        if failure is None:
            began = self._clock()
            opened = await self._connect(use.site, host, route)
            took = self._clock() - began
            if not isinstance(opened, ConnectFailure):
                self._down.pop(use.key, None)
                self._uses[opened] = replace(use, opened_in=took)
                opened.take_waited()
                self._show()
                return opened
            failure = opened
            self._measure(use, took, well=False)
            self._block(use.key, failure)
        self._end(use)
        return failure

    async def _connect(self, site: str, host: Host, route: RelayRoute) -> ClientSession | ConnectFailure:
        """Open a session; the idle ones make room. `cut` ends this, too."""
        self._make_room(site)
        if not route.configured:
            self._make_room_at(host.addresses[:MAX_ADDRESSES])
        opening = asyncio.create_task(self._connector.connect(host, route))
        self._opening.add(opening)
        try:
            return await opening
        except asyncio.CancelledError:
            if opening.done() and not opening.cancelled() and not opening.exception():
                _close(opening.result())
            if self._stopping and opening.cancelled() and not _cancelled():
                raise Stopping("relay is stopping") from None
            raise
        finally:
            self._opening.discard(opening)

    def _make_room(self, site: str) -> None:
        """Idle sessions count like those in use, and go first."""
        while len(self._idle) > self._limits.connections - self._limiter.used:
            _close(self._idle.oldest())
        while self._idle.of_site(site) and self._idle.of_site(site) + self._sites[site].in_use > max(
            self._sites[site].limit, 1
        ):
            _close(self._idle.oldest(site))

    def _make_room_at(self, addresses: Sequence[str]) -> None:
        """End an idle session to one of the addresses, where all of them have as many as they may have."""
        keys = [network_keys(address) for address in addresses]
        full = [self._networks.full_key(each) for each in keys]
        for key in full if None not in full else ():
            if key is not None and (session := self._idle.oldest_in(key)) is not None:
                session.close()
                return

    def _site(self, name: str) -> Site:
        if name not in self._sites:
            limit = self._speeds.of(name).share(self._limits.of_site(name))
            busy = BusyWait(self._limits.busy, self._rng)
            self._sites[name] = Site(limit, self._limits.site_waiting, self._lines, busy, self._clock)
        return self._sites[name]

    def _end(self, use: SessionUse) -> None:
        self._limiter.leave(use.standing, use.tenant)
        self._sites[use.site].leave()
        self._show()

    def _measure(self, use: SessionUse, waited: float, *, well: bool) -> None:
        """Learn the speed of a site from one use. A host that times out counts as slow, one that refuses at once does not count."""
        if not well:
            if waited < QUICK_SECONDS:
                return
            waited = max(waited, SLOW_SECONDS)
        speed = self._speeds.measure(use.site, waited)
        site = self._sites[use.site]
        site.limit = speed.share(self._limits.of_site(use.site))
        site.serve()

    def _failure(self, key: ConnectionKey) -> ConnectFailure | None:
        """Return why the host is not tried now, None: it is."""
        failure, until = self._down.get(key, (None, 0.0))
        return failure if self._clock() < until else None

    def _block(self, key: ConnectionKey, failure: ConnectFailure) -> None:
        """Do not try the host for a while. With other connections of ours open it is busy, not down."""
        if not any(use.key == key for use in self._uses.values()) and not self._idle.has(key):
            self._down[key] = (failure, self._clock() + self._limits.pause_seconds)

    def _show(self) -> None:
        self._open.set(len(self._uses) + len(self._idle))
        self._short.set(self._limiter.busy)


def _close(session: ClientSession | ConnectFailure | None) -> None:
    if isinstance(session, ClientSession):
        session.close()


def _with_wait(error: BaseException, site: Site) -> BaseException:
    """Add the time to wait, where the error has none: it grows as long as the site gets no connection."""
    if isinstance(error, SiteBusy) and not isinstance(error, AddressesBusy) and error.seconds is None:
        return site.postponed(str(error))
    return error


def _cancelled() -> bool:
    """Tell whether the leg itself is cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
