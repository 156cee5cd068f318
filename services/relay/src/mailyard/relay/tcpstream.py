"""One TCP connection, encrypted or not, with flow control in both directions.

Octets that come before the TLS handshake never mix with those after it: what has not been read by then is dropped
(RFC 3207 section 6).
"""

import asyncio
import ssl
from typing import Final, Self, cast

_HIGH_WATER: Final = 256 * 1024


class TcpStream(asyncio.Protocol):
    """Read received octets; write while the send buffer has room."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received: list[bytes] = []
        self._held = 0
        self._ended = False
        self._error: OSError | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def connect(
        cls,
        address: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        name: str = "",
        *,
        source: str | None = None,
    ) -> Self:
        """Open a connection; with `tls` the handshake comes first, for the server `name`.

        `source`: the own address to connect from; None: the system chooses.

        Raises:
            OSError: nobody answers there, or the handshake failed (ssl.SSLError).

        """
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(
            cls,
            address,
            port,
            ssl=tls,
            server_hostname=name if tls else None,
            local_addr=(source, 0) if source else None,
        )
        return stream

    @property
    def ended(self) -> bool:
        """Tell whether the peer has closed, or the connection broke."""
        return self._ended

    @property
    def pending(self) -> bool:
        """Tell whether received octets are unread."""
        return self._readable.is_set()

    @property
    def tls(self) -> str:
        """Return TLS version and cipher, `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty: in clear."""
        connection = self.ssl_object
        cipher = connection.cipher() if connection else None
        return f"{connection.version()} {cipher[0]}" if connection and cipher else ""

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """Return the TLS connection; None: in clear."""
        return self._transport.get_extra_info("ssl_object") if self._transport else None

    async def read(self) -> bytes:
        """Return received octets, waiting for some; empty: the end. Raises OSError."""
        await self._readable.wait()
        data = b"".join(self._received)
        if not data:
            if self._error is not None:
                raise self._error
            return b""
        self._received.clear()
        if not self._ended:
            self._readable.clear()
        if self._held > _HIGH_WATER and self._transport is not None:
            self._transport.resume_reading()
        self._held = 0
        return data

    async def write(self, data: bytes) -> None:
        """Send; wait while the send buffer is full. Raises OSError when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            raise self._error or ConnectionResetError("connection closed by the peer")
        self._transport.write(data)
        await asyncio.sleep(0)  # hear what came meanwhile, also that nobody listens any more
        await self._writable.wait()
        if self._error is not None:
            raise self._error

    def say(self, data: bytes) -> None:
        """Send without waiting, before the connection closes."""
        if not self._ended and self._transport is not None:
            self._transport.write(data)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Handshake as client. Raises OSError (ssl.SSLError among them)."""
        assert self._transport is not None
        self._received.clear()
        self._held = 0
        self._readable.clear()
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, context, server_hostname=name)
        if transport is None:
            raise ConnectionResetError("connection closed during the TLS handshake")
        self._transport = transport

    def close(self) -> None:
        """Close, without waiting."""
        if self._transport is not None:
            self._transport.abort() if self._ended else self._transport.close()

    def abort(self) -> None:
        """Reset the connection, so that the peer does not take a part of a message for the whole."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport (asyncio.Protocol)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep received octets; stop reading when there are many (asyncio.Protocol)."""
        self._received.append(data)
        below = self._held <= _HIGH_WATER
        self._held += len(data)
        if below and self._held > _HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        """End the connection when the peer has ended its half (asyncio.Protocol)."""
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection (asyncio.Protocol)."""
        self._end(exc)

    def pause_writing(self) -> None:
        """Stop writing: the send buffer is full (asyncio.Protocol)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Write again: the send buffer has room (asyncio.Protocol)."""
        self._writable.set()

    def _end(self, error: Exception | None) -> None:
        self._ended = True
        if error is not None and self._error is None:
            self._error = error if isinstance(error, OSError) else ConnectionError(str(error))
        self._readable.set()
        self._writable.set()
