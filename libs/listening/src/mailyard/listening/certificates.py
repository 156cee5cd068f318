"""TLS of listeners: certificates and keys from files, read again when they change (RFC 7817, RFC 8997)."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mailyard.listening.ciphers import restrict
from mailyard.listening.expiry import expiry_of
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge

_SHUTDOWN_SECONDS = 3.0
_log = get_logger(__name__)


class CertificateFiles(NamedTuple):
    """A certificate chain and its private key without a passphrase, both PEM."""

    certificate: Path
    key: Path


class Certificates:
    """The TLS contexts of a process: one by default, and more that clients choose by server name (SNI, RFC 6066).

    The gauge of the expiry shows the certificate that ends first.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        handshake_seconds: float,
        by_name: Mapping[str, CertificateFiles] | None = None,
    ) -> None:
        """Read all files; raises Misconfigured. The names of `by_name` are host names in lower case."""
        self._handshake_seconds = handshake_seconds
        self._default = _ServedCertificate(CertificateFiles(certificate, key))
        self._by_name = {name: _ServedCertificate(files) for name, files in (by_name or {}).items()}
        if self._by_name:
            self._default.context.sni_callback = self._choose
        self._note_expiry()

    @property
    def context(self) -> ssl.SSLContext:
        """The context that a handshake begins with."""
        return self._default.context

    async def refresh(self) -> bool:
        """Use renewed certificates for later handshakes; a broken file changes nothing. Work for `Periodic`."""
        for each in self._all:
            each.refresh()
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

    @property
    def _all(self) -> "list[_ServedCertificate]":
        return [self._default, *self._by_name.values()]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        """Switch to the certificate of the server name; an unknown name keeps the default (RFC 6066 section 3)."""
        served = self._by_name.get((name or "").lower())
        if served is not None:
            connection.context = served.context

    def _note_expiry(self) -> None:
        first = min(each.expiry for each in self._all)
        gauge("mailyard_certificate_expiry_timestamp_seconds").set(first)


class _ServedCertificate:
    """One TLS context whose certificate follows its files."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        restrict(self.context)
        try:
            self._seen = self._stamp()
            self._load()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise Misconfigured(
                f"cannot use certificate {files.certificate} with key {files.key}: {error}. Both are PEM files, the key"
                " without a passphrase: check the settings ..._TLS_CERTIFICATE_FILE and ..._TLS_KEY_FILE"
            ) from error

    def refresh(self) -> None:
        """Load the files again where they changed."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._load()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            _log.warning("certificate.unusable", certificate=str(self._files.certificate), error=str(error))
            return
        self._seen = stamp
        _log.info("certificate.renewed", certificate=str(self._files.certificate))

    def _load(self) -> None:
        self.context.load_cert_chain(*self._files)
        self.expiry = expiry_of(self._files.certificate).timestamp()

    def _stamp(self) -> tuple[int, int]:
        return self._files.certificate.stat().st_mtime_ns, self._files.key.stat().st_mtime_ns
