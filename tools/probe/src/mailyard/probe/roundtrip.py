"""One mail from submission to IMAP, with the login of a sender and the login of a reader."""

import imaplib
import re
import smtplib
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from mailyard.probe.mailserver import Encryption, Login, MailServer

TIMEOUT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_SPOOL_ID = re.compile(r"\b[0-9a-v]{20}\b")


class MailLost(Exception):
    """The mail was refused, or did not arrive in time; the text names the step."""


@dataclass(frozen=True, slots=True)
class RoundtripResult:
    """The result of a round trip."""

    sender: str
    recipient: str
    answer: str
    seconds: float

    @property
    def spool_id(self) -> str | None:
        """The spool id in the server's 250."""
        found = _SPOOL_ID.search(self.answer)
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Roundtrip:
    """The server and login of submission, and those of IMAP."""

    submission: MailServer
    sender: Login
    imap: MailServer
    reader: Login

    def pass_through(self, message: EmailMessage, seconds: float, *, delete: bool = False) -> RoundtripResult:
        """Send a mail and find it in the reader's INBOX; `delete` removes it there.

        Raises:
            MailLost: it was refused, or is not there in time.

        """
        began = time.monotonic()
        try:
            answer = submit(self.submission, self.sender, message)
            self._await_arrival(message["Message-ID"], began + seconds, delete=delete)
        except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
            raise MailLost(
                f"The test mail from {self.sender.address} to {message['To']} failed: {_words(error)}"
            ) from error
        return RoundtripResult(self.sender.address, message["To"], answer, time.monotonic() - began)

    def _await_arrival(self, message_id: str, deadline: float, *, delete: bool) -> None:
        with open_imap(self.imap) as client:
            client.login(self.reader.address, self.reader.password)
            client.select("INBOX", readonly=not delete)
            while not (found := search(client, "HEADER", "Message-ID", f'"{message_id}"')):
                if time.monotonic() > deadline:
                    raise MailLost(
                        f"The test mail was accepted but is not in the INBOX of {self.reader.address} in time"
                    )
                time.sleep(_PAUSE_SECONDS)
                client.noop()
            if delete:
                remove(client, found)


def submit(server: MailServer, sender: Login, message: EmailMessage) -> str:
    """Send a mail and return the text of the 250 after the data, which names the spool id.

    Raises:
        MailLost: the message was refused after its data.
        OSError, SMTPException: an earlier step failed.

    """
    with open_smtp(server) as client:
        client.login(sender.address, sender.password)
        _accepted(client.mail(sender.address))
        _accepted(client.rcpt(message["To"]))
        code, answer = client.data(message.as_bytes(policy=SMTP))
    if code != 250:
        raise MailLost(f"The test mail was refused after its data: {code} {answer.decode()}")
    return answer.decode()


def open_smtp(server: MailServer) -> smtplib.SMTP:
    """Connect, with the server's kind of TLS. Raises OSError or SMTPException."""
    context = server.trust.context()
    if server.encryption is Encryption.IMPLICIT:
        return smtplib.SMTP_SSL(*server.endpoint, timeout=TIMEOUT_SECONDS, context=context)
    client = smtplib.SMTP(*server.endpoint, timeout=TIMEOUT_SECONDS)
    if server.encryption is Encryption.STARTTLS:
        client.starttls(context=context)
    return client


def open_imap(server: MailServer) -> imaplib.IMAP4:
    """Connect, with the server's kind of TLS. Raises OSError or IMAP4.error."""
    context = server.trust.context()
    if server.encryption is Encryption.IMPLICIT:
        return imaplib.IMAP4_SSL(*server.endpoint, timeout=TIMEOUT_SECONDS, ssl_context=context)
    client = imaplib.IMAP4(*server.endpoint, timeout=TIMEOUT_SECONDS)
    if server.encryption is Encryption.STARTTLS:
        client.starttls(context)
    return client


def _accepted(reply: tuple[int, bytes]) -> None:
    """Raise SMTPResponseException with the reply if a command of the envelope was refused."""
    if reply[0] // 100 != 2:
        raise smtplib.SMTPResponseException(*reply)


def search(client: imaplib.IMAP4, *criteria: str) -> str:
    """Return the UIDs that are found as a set for the next command, empty: none."""
    _, (found, *_) = client.uid("SEARCH", *criteria)
    return ",".join(found.decode().split()) if found else ""


def remove(client: imaplib.IMAP4, uids: str) -> None:
    r"""Delete these mails, and no others with \Deleted (RFC 4315, section 2.1)."""
    client.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
    client.uid("EXPUNGE", uids)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return str(error) or type(error).__name__
