"""One mail the whole way, as a person would send it: in by submission, out by IMAP, both with STARTTLS and a login."""

import imaplib
import re
import smtplib
import ssl
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from mailyard.local.access import Access, DemoAccount, Endpoint
from mailyard.runtime.clock import now_utc

TIMEOUT_SECONDS = 10.0
_SPOOL_ID = re.compile(r"\b[0-9a-v]{20}\b")


class MailLost(Exception):
    """The mail was not taken, or did not arrive in time; the text says how far it came."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How a mail went through."""

    sender: str
    recipient: str
    answer: str
    seconds: float

    @property
    def spool_id(self) -> str | None:
        """What the server called the mail in its 250."""
        found = _SPOOL_ID.search(self.answer)
        return found[0] if found else None


def send_and_find(access: Access, sender: DemoAccount, recipient: DemoAccount, seconds: float) -> Passage:
    """Raises MailLost when the mail is not in the recipient's INBOX in time."""
    trust = ssl.create_default_context(cafile=str(access.authority))
    message = _message(sender.address, recipient.address)
    began = time.monotonic()
    try:
        answer = _submit(access.listeners["submission"], trust, sender, message)
        _await_arrival(access.listeners["imap"], trust, recipient, message, began + seconds)
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
        raise MailLost(
            f"The test mail from {sender.address} to {recipient.address} failed: {error}"
        ) from error
    return Passage(sender.address, recipient.address, answer, time.monotonic() - began)


def _message(sender: str, recipient: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, "Welcome to Mailyard"
    message["Date"] = format_datetime(now_utc())
    message["Message-ID"] = make_msgid(domain="alpha.test")
    message.set_content("This mail came in by submission and went through every service.\n")
    return message


def _submit(server: Endpoint, trust: ssl.SSLContext, sender: DemoAccount, message: EmailMessage) -> str:
    """Returns what the server said after the data: its 250 names the spool id."""
    with smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS) as client:
        client.starttls(context=trust)
        client.login(sender.address, sender.password)
        client.mail(sender.address)
        client.rcpt(message["To"])
        code, answer = client.data(message.as_bytes(policy=SMTP))
    if code != 250:
        raise MailLost(f"The test mail was refused after its data: {code} {answer.decode()}")
    return answer.decode()


def _await_arrival(
    server: Endpoint, trust: ssl.SSLContext, recipient: DemoAccount, message: EmailMessage, deadline: float
) -> None:
    with imaplib.IMAP4(server.host, server.port, timeout=TIMEOUT_SECONDS) as client:
        client.starttls(trust)
        client.login(recipient.address, recipient.password)
        client.select("INBOX", readonly=True)
        while not _found(client, message["Message-ID"]):
            if time.monotonic() > deadline:
                raise MailLost(
                    f"The test mail was accepted but is not in the INBOX of {recipient.address} in time"
                )
            time.sleep(0.05)
            client.noop()


def _found(client: imaplib.IMAP4, message_id: str) -> bool:
    _, (numbers, *_) = client.search(None, "HEADER", "Message-ID", f'"{message_id}"')
    return bool(numbers)
