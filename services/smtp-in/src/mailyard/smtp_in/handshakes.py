"""Accepts connections whose TLS handshake comes first (RFC 8314 section 3.3).

The loop's own listener would do the handshake unseen. Here a client is counted before it, so that there are no more
handshakes than connections are admitted, and none that nobody hears of when it fails.
"""

import asyncio
import socket
from collections.abc import Callable

from mailyard.runtime.certificates import Certificates
from mailyard.runtime.logs import get_logger
from mailyard.smtp_in.connection import Connection, ip_address
from mailyard.smtp_in.measures import Measures

_PAUSE_SECONDS = 0.1
_log = get_logger(__name__)


class Handshakes:
    """Accepts at one socket until it is closed."""

    def __init__(
        self,
        listening: socket.socket,
        certificates: Certificates,
        measures: Measures,
        make: Callable[[], Connection],
    ) -> None:
        self._listening = listening
        self._certificates = certificates
        self._measures = measures
        self._make = make
        self._under_way: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    def close(self) -> None:
        """Accept no more, and break off the handshakes that have not ended."""
        self._accepting.add_done_callback(lambda _: self._listening.close())
        self._accepting.cancel()
        for task in self._under_way:
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(self._listening)
            except OSError as error:  # files have run out, or the client has gone already
                _log.warning("smtp_in.accept_failed", error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            connection = self._make()
            if connection.announce(ip_address(peer[0])) is not None:
                client.close()  # it waits for TLS: it could not read a reply
                continue
            task = asyncio.create_task(self._shake_hands(client, connection))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _shake_hands(self, client: socket.socket, connection: Connection) -> None:
        try:
            await self._certificates.accept(client, connection)
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError and time-outs are OSErrors
            self._measures.handshake(succeeded=False)
            _log.info("smtp_in.handshake_failed", client_ip=connection.address, error=str(error))
            connection.connection_failed()
            client.close()
        else:
            self._measures.handshake(succeeded=True)
