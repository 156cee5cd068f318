"""TLS for listeners: certificate and key from files, read again when they change (RFC 7817, RFC 8997)."""

import asyncio
import socket
import ssl
from pathlib import Path

from mailyard.runtime.ciphers import restrict
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge
from mailyard.runtime.validity import expiry_of

_SHUTDOWN_SECONDS = 3.0
_log = get_logger(__name__)


class Certificates:
    """One TLS context whose certificate follows its files."""

    def __init__(self, certificate: Path, key: Path, handshake_seconds: float) -> None:
        """Read certificate and key; raises Misconfigured."""
        self._certificate = certificate
        self._key = key
        self._handshake_seconds = handshake_seconds
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self._context.options |= ssl.OP_NO_RENEGOTIATION
        restrict(self._context)
        try:
            self._seen = self._stamp()
            self._context.load_cert_chain(certificate, key)
            self._note_expiry()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise Misconfigured(
                f"cannot use certificate {certificate} with key {key}: {error}. Both are PEM files, the key"
                " without a passphrase: check the settings ..._TLS_CERTIFICATE_FILE and ..._TLS_KEY_FILE"
            ) from error

    async def refresh(self) -> bool:
        """Use a renewed certificate for handshakes to come; a broken one changes nothing. Work for `Periodic`."""
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._context.load_cert_chain(self._certificate, self._key)
                self._seen = stamp
                self._note_expiry()
                _log.info("certificate.renewed", certificate=str(self._certificate))
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            _log.warning("certificate.unusable", certificate=str(self._certificate), error=str(error))
        return False

    async def accept(self, connection: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        """Take over an accepted connection, TLS first, and hand it to `protocol`; raises OSError.

        A listener that begins TLS itself, after `connection_made`, may find the client's first octets taken already.
        """
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._context,
            ssl_handshake_timeout=self._handshake_seconds,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    async def secure(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Do the server's side of a handshake on an open connection (STARTTLS); raises OSError."""
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            protocol,
            self._context,
            server_side=True,
            ssl_handshake_timeout=self._handshake_seconds,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        if secured is None:  # the loop's way to say that the transport closed meanwhile
            raise ConnectionAbortedError("the client left during the handshake")
        return secured

    def _note_expiry(self) -> None:
        gauge("mailyard_certificate_expiry_timestamp_seconds").set(expiry_of(self._certificate).timestamp())

    def _stamp(self) -> tuple[int, int]:
        return self._certificate.stat().st_mtime_ns, self._key.stat().st_mtime_ns
