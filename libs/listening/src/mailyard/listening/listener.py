"""A listener (a `Component`): its sockets, its connections, and their end. One class for all protocols.

The protocol is a `ConnectionFactory`. All listeners of a process share its `ListenerResources`. Where nothing comes
before the greeting, the event loop accepts by itself, which is the fastest way; else an `Acceptor` does.
"""

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailyard.listening.acceptor import Acceptor
from mailyard.listening.address import ClientAddress
from mailyard.listening.admission import Admission, ConnectionLimit
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.certificates import Certificates
from mailyard.listening.connection import ClientConnection, ConnectionFactory
from mailyard.listening.proxy import ProxyAcceptor
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.listening.unauthenticated import UnauthenticatedConnections
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.logs import get_logger
from mailyard.runtime.memory import return_freed_memory

_CHECK_SECONDS = 1.0
_MANY_ENDED = 256  # connections: the memory of so many is worth a system call
_CLOSE_SECONDS = 5.0
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerResources:
    """What all listeners of a process share. `unauthenticated`: a limit for connections without a login."""

    admission: Admission
    memory: MemoryBudget
    certificates: Certificates | None = None
    proxies: ProxySettings = field(default_factory=ProxySettings)
    unauthenticated: UnauthenticatedConnections | None = None
    backlog: int = 1024


class Listener:
    """Listens at some endpoints for one protocol; with `tls_first`, TLS comes before the greeting (RFC 8314)."""

    def __init__(
        self,
        factory: ConnectionFactory,
        endpoints: Sequence[Endpoint],
        resources: ListenerResources,
        *,
        tls_first: bool = False,
    ) -> None:
        self.name = f"listener-{factory.label}"
        self.memory = resources.memory
        self.certificates = resources.certificates
        self.tls_first = tls_first
        self.is_draining = False
        self._factory = factory
        self._endpoints = endpoints
        self._resources = resources
        self._proxy = ProxyAcceptor(factory.label, resources.proxies, resources.admission)
        self._connections: set[ClientConnection] = set()
        self._ended_early: set[ClientConnection] = set()  # not counted any more, but not closed yet
        self._sockets: list[socket.socket] = []
        self._acceptors: list[asyncio.Server | Acceptor] = []
        self._highest = 0  # connections at once since memory was returned
        self._checking: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def addresses(self) -> list[Endpoint]:
        """The endpoints that are open; port 0 has become a real one. Empty before the start and after the end."""
        return [Endpoint(*each.getsockname()[:2]) for each in self._sockets]

    # The life of a component.

    async def start(self) -> None:
        """Listen; raises OSError with the name of the endpoint where that is not possible."""
        for endpoint in self._endpoints:
            listening = self._listen(endpoint)
            self._sockets.append(listening)
            self._acceptors.append(await self._accept_at(listening))
        self._checking = asyncio.create_task(self._check(), name=f"{self.name}-check")
        _log.info(
            self._factory.listening_event,
            listener=self._factory.label,
            addresses=[str(each) for each in self.addresses],
        )

    def not_ready_reason(self) -> str | None:
        """Return why the listener is not ready: it does not listen, or slow clients are not checked."""
        if self._checking is not None and self._checking.done():
            return "slow clients are not looked after any more"
        return None if self._acceptors else "does not listen"

    async def drain(self) -> None:
        """Stop listening; each connection finishes the work in hand and closes. Returns when all have ended."""
        self._stop_listening()
        self.is_draining = True
        for connection in list(self._connections):
            connection.shut_down()
        await self._empty.wait()

    async def close(self) -> None:
        """Cut the connections that are left."""
        self._stop_listening()
        if self._checking is not None:
            self._checking.cancel()
        for connection in list(self._connections):
            connection.terminate()
        with contextlib.suppress(TimeoutError):  # the process ends, and with it what is left
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._empty.wait()

    # What connections ask for.

    def admit(self, connection: ClientConnection) -> bytes | None:
        """Count a connection, or return what a refused one is sent in place of a greeting."""
        limit = self._limit_for(connection.client)
        self._factory.count(limit)
        if limit is not None:
            return self._factory.refusal(limit)
        self._factory.open_connections.inc()
        self._connections.add(connection)
        self._empty.clear()
        if self._resources.unauthenticated is not None:
            self._resources.unauthenticated.add(connection, functools.partial(self._end_early, connection))
        return None

    def authenticated(self, connection: ClientConnection) -> None:
        """Forget that a connection has no login."""
        if self._resources.unauthenticated is not None:
            self._resources.unauthenticated.discard(connection)

    def forget(self, connection: ClientConnection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self.authenticated(connection)
        if connection in self._ended_early:
            self._ended_early.discard(connection)
        else:
            self._resources.admission.leave(connection.client.counted_ip)
        self._factory.open_connections.dec()
        if not self._connections:
            self._empty.set()

    def _limit_for(self, client: ClientAddress) -> ConnectionLimit | None:
        """Admit a client, or return the limit that refuses it.

        Where all connections are taken, or all without a login, the oldest one without a login may end for the client.
        """
        admission, unauthenticated = self._resources.admission, self._resources.unauthenticated
        limit = admission.admit(client.counted_ip)
        if unauthenticated is None:
            return limit
        if limit is ConnectionLimit.TOTAL and unauthenticated.end_oldest():
            limit = admission.admit(client.counted_ip)
        if limit is None and unauthenticated.are_full and not unauthenticated.end_oldest():
            admission.leave(client.counted_ip)
            limit = ConnectionLimit.UNAUTHENTICATED
        return limit

    def _end_early(self, connection: ClientConnection) -> None:
        """End a connection without a login to admit another one."""
        self._factory.count(ConnectionLimit.UNAUTHENTICATED)
        self._ended_early.add(connection)
        self._resources.admission.leave(connection.client.counted_ip)
        connection.end_early(self._factory.last_reply)

    # Sockets.

    def _listen(self, endpoint: Endpoint) -> socket.socket:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        try:
            listening = socket.create_server(endpoint, family=family, backlog=self._resources.backlog)
        except OSError as error:
            raise OSError(error.errno, f"{self.name} cannot listen at {endpoint}: {error}") from error
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # accepted connections inherit it
        listening.setblocking(False)
        return listening

    async def _accept_at(self, listening: socket.socket) -> asyncio.Server | Acceptor:
        make = functools.partial(self._factory.connection, self)
        if self.tls_first or self._proxy.is_needed:
            certificates = self.certificates if self.tls_first else None
            return Acceptor(listening, self._proxy, certificates, make, self._factory)
        loop = asyncio.get_running_loop()
        return await loop.create_server(make, sock=listening, backlog=self._resources.backlog)

    def _stop_listening(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        self._sockets.clear()

    async def _check(self) -> None:
        """Check all connections by one timer: a timer for each would cost more, and nearly none would fire."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            is_busy = self._resources.admission.is_busy
            self._factory.check(list(self._connections), time.monotonic(), is_busy=is_busy)
            self._highest = max(self._highest, len(self._connections))
            if self._highest - len(self._connections) > _MANY_ENDED:
                self._highest = len(self._connections)
                return_freed_memory()
