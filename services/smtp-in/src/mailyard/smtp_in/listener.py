"""One kind of listener (a `Component`): its sockets, the connections that came by them, and their end."""

import asyncio
import socket
import time
from collections.abc import Sequence

from mailyard.runtime.admission import Admission, Crowded
from mailyard.runtime.balancers import Balancers
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.introductions import Introductions
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.accepting import Acceptor
from mailyard.smtp_in.connection import Connection
from mailyard.smtp_in.doors import Door
from mailyard.smtp_in.memory import give_back
from mailyard.smtp_in.patience import Patience
from mailyard.smtp_in.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_ADDRESS

_CHECK_SECONDS = 1.0
_CROWD = 256
_CROWDED = {Crowded.TOTAL: TOO_MANY_CONNECTIONS, Crowded.ADDRESS: TOO_MANY_FROM_ADDRESS}
_NOBODY = Balancers()
_log = get_logger(__name__)


class Listener:
    """Listens at some endpoints for one door."""

    def __init__(
        self,
        door: Door,
        endpoints: Sequence[Endpoint],
        admission: Admission,
        patience: Patience,
        backlog: int,
        *,
        balancers: Balancers = _NOBODY,
    ) -> None:
        """Share `admission` between all listeners of the process; `balancers` must name the clients they bring."""
        self.name = f"listener-{door.name}"
        self._door = door
        self._endpoints = endpoints
        self._admission = admission
        self._patience = patience
        self._backlog = backlog
        self._introductions = Introductions(door.name, balancers, admission)
        self._connections: set[Connection] = set()
        self._sockets: list[socket.socket] = []
        self._acceptors: list[asyncio.Server | Acceptor] = []
        self._most = 0  # connections at once since memory was given back
        self._checking: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def addresses(self) -> list[Endpoint]:
        """Where it listens indeed: port 0 has become a real one. Empty before and after."""
        return [Endpoint(*each.getsockname()[:2]) for each in self._sockets]

    async def start(self) -> None:
        """Listen; raises OSError with the endpoint's name where that is not possible."""
        for endpoint in self._endpoints:
            listening = self._listen(endpoint)
            self._sockets.append(listening)
            self._acceptors.append(await self._accept_at(listening))
        self._checking = asyncio.create_task(self._check(), name=f"{self.name}-check")
        _log.info(
            "smtp_in.listening", listener=self._door.name, addresses=[str(each) for each in self.addresses]
        )

    def not_ready_reason(self) -> str | None:
        """It is ready once it listens, and as long as somebody looks after slow clients."""
        if self._checking is not None and self._checking.done():
            return "slow clients are not looked after any more"
        return None if self._acceptors else "does not listen"

    async def drain(self) -> None:
        """Stop listening; idle clients get 421, those with a message in hand when it is done."""
        self._stop_listening()
        for connection in list(self._connections):
            connection.drain()
        await self._empty.wait()

    async def close(self) -> None:
        """Cut what is left."""
        self._stop_listening()
        if self._checking is not None:
            self._checking.cancel()
        for connection in list(self._connections):
            connection.abort()

    def _listen(self, endpoint: Endpoint) -> socket.socket:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        try:
            listening = socket.create_server(endpoint, family=family, backlog=self._backlog)
        except OSError as error:
            raise OSError(error.errno, f"{self.name} cannot listen at {endpoint}: {error}") from error
        listening.setblocking(False)
        return listening

    async def _accept_at(self, listening: socket.socket) -> asyncio.Server | Acceptor:
        if self._door.implicit_tls or self._introductions.are_needed:
            return Acceptor(listening, self._door, self._introductions, self._make)
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._make, sock=listening, backlog=self._backlog)

    def _stop_listening(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        self._sockets.clear()

    def _make(self) -> Connection:
        return Connection(self._door, self._arrived, self._left)

    def _arrived(self, connection: Connection) -> Reply | None:
        self._door.measures.connections.inc()
        refusal = self._admission.refusal(connection.caller.counted_as)
        if refusal is None:
            self._door.measures.open_connections.inc()
            self._connections.add(connection)
            self._empty.clear()
        return _CROWDED[refusal] if refusal else None

    def _left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._admission.gone(connection.caller.counted_as)
        self._door.measures.open_connections.dec()
        if not self._connections:
            self._empty.set()

    async def _check(self) -> None:
        """One timer for all connections: thousands of timers that nearly never fire would cost more."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            now, is_busy = time.monotonic(), self._admission.is_busy
            for connection in list(self._connections):
                connection.check(self._patience, now, is_busy=is_busy)
            if self._door.backend.memory.is_above_mark:
                for connection in list(self._connections):
                    connection.relieve(now)
            self._most = max(self._most, len(self._connections))
            if self._most - len(self._connections) > _CROWD:
                self._most = len(self._connections)
                give_back()
