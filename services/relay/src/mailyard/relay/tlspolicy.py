"""What is asked of TLS towards one host, and the check of the certificate after the handshake."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from mailyard.smtp.client import Security


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate that a server has shown: `der` is its DER encoding, `host` the name that was connected to."""

    host: str
    der: bytes


CertificateCheck = Callable[[PeerCertificate], str | None]
"""Returns why a certificate is refused, None: it is accepted. Equal checks must be equal objects: sessions are shared
between legs of one policy. Example: a frozen dataclass with the TLSA records of a host (RFC 7672) and `__call__`."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """One host's TLS: `implicit`: from the first octet (RFC 8314), else by STARTTLS; `check`: after the handshake.

    Raises ValueError for a check where TLS may be absent: it would be passed by who answers in clear.
    """

    security: Security = Security.MAY
    implicit: bool = False
    check: CertificateCheck | None = None

    def __post_init__(self) -> None:
        if self.check is not None and not self.security.required:
            raise ValueError(f"a certificate check needs security encrypt or verify, not {self.security}")

    def refusal(self, host: str, connection: ssl.SSLObject | None) -> str | None:
        """Say why the peer of a new TLS connection is refused; None: go on."""
        if self.check is None:
            return None
        der = connection.getpeercert(binary_form=True) if connection is not None else None
        return "the server has shown no certificate" if not der else self.check(PeerCertificate(host, der))
