"""A mail server as a client needs it: address, TLS, trusted authority, login."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from socket import socket
from typing import Any

from mailyard.runtime.endpoint import Endpoint


class Encryption(StrEnum):
    """How a connection becomes encrypted."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"  # RFC 8314: TLS from the first octet
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificate is trusted: the authorities of the system or of a file, and the name in the certificate."""

    authority: Path | None = None
    name: str | None = None  # None: the host that is connected to
    insecure: bool = False  # any certificate, and any name

    def context(self) -> ssl.SSLContext:
        """Raises OSError when the file cannot be used."""
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        context.expected_name = self.name
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.authority is not None:
            context.load_verify_locations(self.authority)
        else:
            context.load_default_certs()
        return context


@dataclass(frozen=True, slots=True)
class MailServer:
    """A listener, with TLS as the client must use it."""

    endpoint: Endpoint
    trust: Trust
    encryption: Encryption = Encryption.STARTTLS


@dataclass(frozen=True, slots=True)
class Login:
    """Address and password of an account."""

    address: str
    password: str = field(repr=False)


class _Context(ssl.SSLContext):
    """A context that expects a given name: smtplib and imaplib expect the host's, but a load balancer may have another."""

    expected_name: str | None = None

    def wrap_socket(self, sock: socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if self.expected_name is not None:
            kwargs["server_hostname"] = self.expected_name
        return super().wrap_socket(sock, *args, **kwargs)
