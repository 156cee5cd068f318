"""Accepts connections that begin with a PROXY header, a TLS handshake, or one after the other.

The event loop's own server would do the handshake without telling anybody (RFC 8314 section 3.3), and knows no PROXY
header. Here a connection is counted after its header and before its handshake. So there are never more handshakes than
admitted connections, and each failed handshake is reported.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable

from mailyard.listening.address import ClientAddress
from mailyard.listening.certificates import Certificates
from mailyard.listening.connection import ClientConnection, ConnectionFactory
from mailyard.listening.proxy import ProxyAcceptor

_PAUSE_SECONDS = 0.1


class Acceptor:
    """Accepts at one socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        proxy: ProxyAcceptor,
        certificates: Certificates | None,
        make: Callable[[], ClientConnection],
        factory: ConnectionFactory,
    ) -> None:
        """Start accepting; with `certificates`, each connection begins with a handshake."""
        self._listening = listening
        self._proxy = proxy
        self._certificates = certificates
        self._make = make
        self._factory = factory
        self._under_way: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    def close(self) -> None:
        """Accept no more, and break off what has not been greeted."""
        self._accepting.add_done_callback(lambda _: self._listening.close())
        self._accepting.cancel()
        self._proxy.close()
        for task in self._under_way:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peername = await loop.sock_accept(self._listening)
            except OSError as error:  # too many open files, or the client has gone already
                self._factory.accept_failed(error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._proxy.accept(client, peername, self._admit)

    def _admit(self, client: socket.socket, address: ClientAddress) -> None:
        connection = self._make()
        refusal = connection.admit(address)
        if refusal is not None:
            self._refuse(client, refusal)
            return
        task = asyncio.create_task(self._connect(client, connection))
        connection.connecting = task
        self._under_way.add(task)
        task.add_done_callback(functools.partial(self._connected, client, connection))

    def _refuse(self, client: socket.socket, refusal: bytes) -> None:
        """Close a refused connection; a client that waits for TLS could not read the refusal."""
        with contextlib.suppress(OSError), client:
            if self._certificates is None:
                client.send(refusal)

    async def _connect(self, client: socket.socket, connection: ClientConnection) -> None:
        if self._certificates is not None:
            await self._certificates.accept(client, connection)
        else:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)

    def _connected(
        self, client: socket.socket, connection: ClientConnection, task: asyncio.Task[None]
    ) -> None:
        """Conclude: a task that is cancelled before its first step could not leave the admission itself."""
        self._under_way.discard(task)
        connection.connecting = None
        error = ConnectionAbortedError("ended before the greeting") if task.cancelled() else task.exception()
        if self._certificates is not None:
            self._factory.handshake_ended(connection.client, error)
        if error is None:
            return
        connection.end()
        client.close()
        if not isinstance(error, OSError):  # ssl.SSLError and time-outs are OSErrors
            raise error
