"""Accepts connections of which something comes before the banner: a PROXY header, a TLS handshake, or one after the other.

The loop's own listener would do the handshake unseen (RFC 8314 section 3.3), and knows of no header. Here a client is
counted before its handshake and after its header, so that there are no more of either than connections are admitted,
and none that nobody hears of when it fails.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable

from mailyard.listening.address import ClientAddress
from mailyard.listening.proxy import ProxyAcceptor
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.connection import Connection
from mailyard.smtp_in.doors import Door

_PAUSE_SECONDS = 0.1
_log = get_logger(__name__)


class Acceptor:
    """Accepts at one socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        door: Door,
        introductions: ProxyAcceptor,
        make: Callable[[], Connection],
    ) -> None:
        self._listening = listening
        self._door = door
        self._proxy = introductions
        self._make = make
        self._under_way: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    def close(self) -> None:
        """Accept no more, and break off what has not reached the banner."""
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
            except OSError as error:  # files have run out, or the client has gone already
                _log.warning("smtp_in.accept_failed", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._proxy.accept(client, peername, self._welcome)

    def _welcome(self, client: socket.socket, caller: ClientAddress) -> None:
        connection = self._make()
        refusal = connection.announce(caller)
        if refusal is not None:
            self._turn_away(client, refusal)
            return
        task = asyncio.create_task(self._connect(client, connection))
        self._under_way.add(task)
        task.add_done_callback(functools.partial(self._ended, client, connection))

    def _turn_away(self, client: socket.socket, refusal: Reply) -> None:
        """RFC 5321 section 3.1; who waits for TLS could not read it."""
        with contextlib.suppress(OSError), client:
            if not self._door.implicit_tls:
                client.send(refusal.wire)

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        if not self._door.implicit_tls:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client)
            return
        assert self._door.certificates is not None, "TLS needs a certificate"
        await self._door.certificates.accept(client, connection)
        self._door.measures.handshake(succeeded=True)

    def _ended(self, client: socket.socket, connection: Connection, task: asyncio.Task[None]) -> None:
        """A callback, as a task that is cancelled before its first step could not count anything out itself."""
        self._under_way.discard(task)
        error = ConnectionAbortedError("the listener closes") if task.cancelled() else task.exception()
        if error is None:
            return
        connection.connection_failed()
        client.close()
        if self._door.implicit_tls:
            self._door.measures.handshake(succeeded=False)
            _log.info("smtp_in.handshake_failed", client_ip=connection.caller.ip, error=str(error))
        if not isinstance(error, OSError):  # ssl.SSLError and time-outs are OSErrors
            raise error
