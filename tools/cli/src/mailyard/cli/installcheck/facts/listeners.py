"""Connect to listeners and read greeting and certificate."""

import imaplib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography import x509

from mailyard.cli.installcheck.checks.certificates import ListenerFacts
from mailyard.cli.installcheck.checks.port25 import Greeting
from mailyard.probe.mailserver import Encryption, MailServer, Trust
from mailyard.probe.roundtrip import open_imap, open_smtp
from mailyard.runtime.endpoint import Endpoint

SECONDS: Final = 10.0
_MOST_OCTETS: Final = 2000
_ADDRESS: Final = re.compile(r"\[([0-9A-Fa-f.:]+)\]")


class Kind(StrEnum):
    """The protocol of a listener, by the name of its port."""

    SMTP = "smtp"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    IMAP = "imap"
    IMAPS = "imaps"

    @property
    def port(self) -> int:
        """The public port number."""
        return _PORTS[self]

    @property
    def encryption(self) -> Encryption:
        """The kind of encryption."""
        return Encryption.IMPLICIT if self in {Kind.SUBMISSIONS, Kind.IMAPS} else Encryption.STARTTLS


_PORTS: Final = {
    Kind.SMTP: 25,
    Kind.SUBMISSION: 587,
    Kind.SUBMISSIONS: 465,
    Kind.IMAP: 143,
    Kind.IMAPS: 993,
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener to check."""

    kind: Kind
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.kind} at {self.endpoint}"


def read_certificate(listener: Listener, trust: Trust) -> ListenerFacts:
    """Make a TLS handshake with verification; if that fails, once more without, to read the certificate."""
    distrust = ""
    try:
        shown = _certificate(listener, trust)
    except ssl.SSLCertVerificationError as error:
        distrust = error.verify_message
        shown = _shown_to_anybody(listener)
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
        return ListenerFacts(str(listener), problem=str(error))
    if shown is None:
        return ListenerFacts(str(listener), problem="it showed no certificate")
    authority = str(trust.authority or "")
    return ListenerFacts(str(listener), "", distrust, _names(shown), shown.not_valid_after_utc, authority)


def _shown_to_anybody(listener: Listener) -> x509.Certificate | None:
    try:
        return _certificate(listener, Trust(insecure=True))
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error):
        return None


def _certificate(listener: Listener, trust: Trust) -> x509.Certificate | None:
    server = MailServer(listener.endpoint, trust, listener.kind.encryption)
    with open_imap(server) if listener.kind in {Kind.IMAP, Kind.IMAPS} else open_smtp(server) as client:
        encoded = (
            client.sock.getpeercert(binary_form=True) if isinstance(client.sock, ssl.SSLSocket) else None
        )
    return x509.load_der_x509_certificate(encoded) if encoded else None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def read_greeting(endpoint: Endpoint) -> Greeting:
    """Connect and read the first line."""
    try:
        with socket.create_connection(endpoint, SECONDS) as connection:
            first = connection.recv(_MOST_OCTETS)
            connection.sendall(b"QUIT\r\n")
    except OSError as error:
        return Greeting(str(endpoint), "", str(error))
    lines = first.decode(errors="replace").splitlines()
    return (
        Greeting(str(endpoint), lines[0], "") if lines else Greeting(str(endpoint), "", "it hangs up at once")
    )


def own_address(endpoint: Endpoint) -> str | None:
    """Return the client address in a server's reply to EHLO (RFC 5321, section 4.1.1.1)."""
    try:
        with smtplib.SMTP(endpoint.host, endpoint.port, timeout=SECONDS) as client:
            _, answer = client.ehlo()
    except (OSError, smtplib.SMTPException):
        return None
    found = _ADDRESS.search(answer.decode(errors="replace"))
    return found[1] if found else None
