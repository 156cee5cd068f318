"""TLS of listeners: certificates and keys from files, read again when they change (RFC 7817, RFC 8997)."""

import asyncio
import socket
import ssl
from pathlib import Path
from weakref import WeakKeyDictionary

from mailyard.listening.servedcertificate import CertificateFiles, ServedCertificate
from mailyard.listening.servernames import ServerNames
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.metrics import gauge

_SHUTDOWN_SECONDS = 3.0


class Certificates:
    """The TLS contexts of listeners: one by default, and more that clients choose by server name (SNI, RFC 6066).

    The gauge of the expiry shows the certificate that ends first.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        handshake_seconds: float,
        *,
        folder: Path | None = None,
        client_authority: Path | None = None,
    ) -> None:
        """Read all files; raises Misconfigured. `folder`: more certificates, as `ServerNames` reads them.

        With `client_authority`, clients may show a certificate that it signed; one of another authority ends the handshake.
        """
        self._handshake_seconds = handshake_seconds
        files = CertificateFiles(certificate, key)
        try:
            self._default = ServedCertificate(files, client_authority)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise Misconfigured(
                f"cannot use certificate {certificate} with key {key}: {error}. Both are PEM files, the key without a"
                " passphrase: check the settings ..._TLS_CERTIFICATE_FILE and ..._TLS_KEY_FILE, and"
                " ..._TLS_CLIENT_AUTHORITY_FILE where it is set"
            ) from error
        self._names = ServerNames(folder, client_authority)
        self._chosen: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        if folder is not None:
            self._default.context.sni_callback = self._choose
        self._note_expiry()

    @property
    def context(self) -> ssl.SSLContext:
        """The context that a handshake begins with."""
        return self._default.context

    async def refresh(self) -> bool:
        """Use renewed certificates for later handshakes; a broken file changes nothing. Work for `Periodic`."""
        self._default.refresh()
        self._names.refresh()
        self._note_expiry()
        return False

    async def accept(self, connection: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        """Take over an accepted connection, TLS first, and hand it to `protocol`; raises OSError.

        A listener that begins TLS itself, after `connection_made`, may find the client's first octets taken already.
        """
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self.context,
            ssl_handshake_timeout=self._handshake_seconds,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    async def secure(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Do the server's side of a handshake on an open connection (STARTTLS); raises OSError."""
        secured = await asyncio.get_running_loop().start_tls(
            transport,
            protocol,
            self.context,
            server_side=True,
            ssl_handshake_timeout=self._handshake_seconds,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        if secured is None:  # the transport has closed meanwhile
            raise ConnectionAbortedError("the client left during the handshake")
        return secured

    def chosen_name(self, transport: asyncio.Transport) -> str | None:
        """Return the host name by which a client has chosen a certificate of the folder; None: it got the default."""
        return self._chosen.get(transport.get_extra_info("ssl_object"))

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Switch to the certificate of the server name; an unknown name keeps the default (RFC 6066 section 3)."""
        served = self._names.find(name) if name else None
        if name and served is not None:
            connection.context = served.context
            self._chosen[connection] = name.lower()

    def _note_expiry(self) -> None:
        first = min(each.expiry for each in (self._default, *self._names.served))
        gauge("mailyard_certificate_expiry_timestamp_seconds").set(first)
