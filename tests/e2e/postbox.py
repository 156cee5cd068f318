"""Send mail to an instance by SMTP and read it by IMAP, octet for octet."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.trial import accounts
from tests.trial.imap import ImapConnection
from tests.trial.instance import Instance
from tests.trial.smtp import Outcome, SmtpConnection

SENDER = "someone@sender.test"
SPOOL_ID = re.compile(r"\b[0-9a-v]{20}\b")
PREFIX = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+")
ARRIVAL_SECONDS = 120


class NotTaken(AssertionError):
    """The server refused a mail that it should have taken."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that was acknowledged, by a name for the reader of a failure."""

    name: str
    octets: bytes
    spool_id: str


def normalised(raw: bytes) -> bytes:
    """CRLF for every line end of a file, and one at the end: what a client has to do before DATA (RFC 5321, 2.3.8)."""
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    return text if text.endswith(b"\r\n") else text + b"\r\n"


async def send_all(instance: Instance, recipient: str, mails: Iterable[tuple[str, bytes]]) -> list[Sent]:
    """Send each as it is over one connection; raises NotTaken."""
    connection = await SmtpConnection.open("127.0.0.1", instance.ports.listener("smtp"))
    try:
        return [await _send(connection, recipient, name, octets) for name, octets in mails]
    finally:
        await connection.close()


async def _send(connection: SmtpConnection, recipient: str, name: str, octets: bytes) -> Sent:
    parameters = "" if octets.isascii() else "BODY=8BITMIME"
    result = await connection.send(SENDER, [recipient], octets, parameters)
    reply = result.reply
    if result.outcome is not Outcome.ACKNOWLEDGED or reply is None:
        raise NotTaken(f"{name}: {result.outcome.value}, {reply}")
    spool_id = SPOOL_ID.search(reply.text)
    if spool_id is None:
        raise NotTaken(f"{name}: the reply names no spool id: {reply.code} {reply.text}")
    return Sent(name, octets, spool_id[0])


async def fetch_all(instance: Instance, address: str, expected: int) -> list[bytes]:
    """Wait until so many mails are in INBOX, then fetch them all."""
    port = instance.ports.listener("imap")
    connection = await ImapConnection.open("127.0.0.1", port, address, accounts.PASSWORD)
    connection.limit_seconds = 120
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while (await connection.select(examine=True)).exists < expected:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.1)
        return [octets async for _, octets in connection.bodies("1:*")]
    finally:
        await connection.close()


def differences(sent: Sequence[Sent], found: Sequence[bytes]) -> list[str]:
    """What is wrong, a sentence for each mail; the spool id in the Received field of the prefix says which is which."""
    problems = [] if len(sent) == len(found) else [f"{len(sent)} were sent, {len(found)} are there"]
    for mail in sent:
        copies = [octets for octets in found if _has_in_prefix(octets, mail)]
        if len(copies) != 1:
            problems.append(f"{mail.name}: {len(copies)} mails end with its octets and name its spool id")
    return problems


def _has_in_prefix(octets: bytes, mail: Sent) -> bool:
    if not octets.endswith(mail.octets):
        return False
    prefix = octets[: len(octets) - len(mail.octets)]
    return PREFIX.fullmatch(prefix) is not None and mail.spool_id.encode() in prefix
