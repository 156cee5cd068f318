"""One round of traffic over every path: accepted, refused, deferred, delivered, relayed, bounced, read, filtered."""

import asyncio
import contextlib
import smtplib
import socket
import ssl

from tests.trial import accounts
from tests.trial.imap import ImapConnection, ImapFailed
from tests.trial.instance import Instance

HOST, BALANCER, CLIENT = "127.0.0.1", "127.0.0.9", "127.0.0.3"
REMOTE = (
    "fine@outside.test",
    "later@outside.test",
    "never@outside.test",
    "cut@outside.test",
    "who@dead.test",
)
RULES = """\
[[rule]]
name = "offers"
action = "tag"
when = [{ look_at = "header", name = "Subject", contains = "offer" }]

[[rule]]
name = "words"
action = "tag"
when = [{ look_at = "body", contains = "unheard-of" }]
"""


def message(subject: str, author: str = "a@sender.test") -> bytes:
    """A small message; who submits it must be its author."""
    return f"From: {author}\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode()


async def run_round(instance: Instance, readers: list[str]) -> None:
    """Every path once; each ends before the function returns, but what the services do afterwards."""
    idling = asyncio.create_task(_read_and_idle(instance, readers[0]))
    await asyncio.gather(
        asyncio.to_thread(_from_outside, instance, readers),
        asyncio.to_thread(_from_users, instance, readers),
        asyncio.to_thread(_bad_clients, instance),
        asyncio.to_thread(_balancer, instance),
        _bad_logins(instance, readers[0]),
    )
    await idling


def _from_outside(instance: Instance, readers: list[str]) -> None:
    """By SMTP and LMTP, with an unknown recipient each."""
    with smtplib.SMTP(HOST, instance.ports.listener("smtp")) as smtp:
        for number in range(5):
            smtp.sendmail("a@sender.test", readers, message(f"an offer, number {number}"))
        with contextlib.suppress(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@sender.test", [f"nobody-{readers[0]}"], message("unknown"))
    with smtplib.LMTP(HOST, instance.ports.listener("lmtp")) as lmtp:
        lmtp.sendmail("a@sender.test", readers[:1], message("by LMTP"))


def _from_users(instance: Instance, readers: list[str]) -> None:
    """By both submission ports, to the outside: fine, later, never, cut off and nobody there."""
    context = ssl.create_default_context(cafile=str(instance.layout.tls / "ca.pem"))
    context.check_hostname = False
    with smtplib.SMTP_SSL(HOST, instance.ports.listener("submissions"), context=context) as smtp:
        smtp.login(readers[0], accounts.PASSWORD)
        for recipient in REMOTE:
            smtp.sendmail(readers[0], [recipient], message("to the outside", readers[0]))
    with smtplib.SMTP(HOST, instance.ports.listener("submission")) as smtp:
        smtp.starttls(context=context)
        smtp.login(readers[0], accounts.PASSWORD)
        smtp.sendmail(readers[0], readers[1:], message("within", readers[0]))
        smtp.quit()
    with (
        smtplib.SMTP(HOST, instance.ports.listener("submission")) as smtp,
        contextlib.suppress(smtplib.SMTPAuthenticationError),
    ):
        smtp.login(readers[0], "wrong")


def _bad_clients(instance: Instance) -> None:
    """Somebody who speaks no TLS where it is needed, and somebody who keeps silent until the server hangs up."""
    with socket.create_connection((HOST, instance.ports.listener("submissions"))) as plain:
        plain.sendall(b"EHLO not.tls\r\n")
        with contextlib.suppress(OSError):
            plain.recv(100)
    with socket.create_connection((HOST, instance.ports.listener("smtp")), timeout=20) as silent:
        while silent.recv(1000):
            pass


def _balancer(instance: Instance) -> None:
    """A connection with a PROXY header (version 1)."""
    port = instance.ports.listener("smtp")
    with socket.create_connection((HOST, port), timeout=20, source_address=(BALANCER, 0)) as connection:
        connection.sendall(f"PROXY TCP4 {CLIENT} {HOST} 40000 {port}\r\n".encode())
        connection.recv(1000)
        connection.sendall(b"QUIT\r\n")
        connection.recv(1000)


async def _bad_logins(instance: Instance, reader: str) -> None:
    with contextlib.suppress(ImapFailed):
        await ImapConnection.open(HOST, instance.ports.listener("imap"), reader, "wrong")


async def _read_and_idle(instance: Instance, reader: str) -> None:
    """Wait for news, then read; one command is nonsense, one message is put there by the client."""
    imap = await ImapConnection.open(HOST, instance.ports.listener("imap"), reader, accounts.PASSWORD)
    selected = await imap.select()
    await imap.idle(10)
    assert [body async for body in imap.bodies(f"{max(1, selected.uid_next - 1)}:*")]
    with contextlib.suppress(ImapFailed):
        await imap.command("NONSENSE")
    size = len(message("from the client"))
    appended = message("from the client").decode()
    await imap.command(f"APPEND INBOX {{{size}+}}\r\n{appended}")
    await imap.command("LOGOUT")
    await imap.close()
