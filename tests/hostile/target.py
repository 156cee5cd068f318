"""The instance under attack: its ports, its accounts, the hosts behind its relay."""

import asyncio
import contextlib
import json
import smtplib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP

from tests.trial import accounts
from tests.trial.accounts import PASSWORD
from tests.trial.instance import Instance
from tests.trial.waiting import NotReached, until

DOMAIN = "hostile.test"
RECIPIENTS = 100
TARPITS = 25
TARPIT_SECONDS = 20.0
SOURCE = "127.0.1.5"


@dataclass(slots=True)
class Target:
    """What attacks need to know; what they find wrong is put into `faults`."""

    instance: Instance
    recipients: Sequence[str]
    hostile: str  # the account that attacks
    tarpits: Sequence[str]  # domains
    faults: list[str] = field(default_factory=list)

    @property
    def smtp(self) -> int:
        """Port for other servers."""
        return self.instance.ports.listener("smtp")

    @property
    def submission(self) -> int:
        """Port for users."""
        return self.instance.ports.listener("submission")

    @property
    def imap(self) -> int:
        """Port for readers."""
        return self.instance.ports.listener("imap")

    async def submit(self, recipients: Sequence[str], octets: bytes) -> int:
        """Submit one mail of the first account; return how many recipients were taken."""
        return await asyncio.to_thread(self._submit, recipients, octets)

    async def sink_gets(self, seconds: float) -> bool:
        """Submit a mail for another host and wait until it is there."""
        before = self._in_sink()
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.recipients[0], "z@elsewhere.test", "beside"
        message.set_content("x")
        if not await self.submit(["z@elsewhere.test"], message.as_bytes(policy=SMTP)):
            self.faults.append("a mail for another host was refused")
            return False
        try:
            await until(
                lambda: self._in_sink() > before, seconds=seconds, what="the mail is at the other host"
            )
        except NotReached:
            return False
        return True

    def _in_sink(self) -> int:
        folder = self.instance.layout.sink
        return sum(1 for each in folder.rglob("*") if each.is_file()) if folder.exists() else 0

    def _submit(self, recipients: Sequence[str], octets: bytes) -> int:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.submission, timeout=60, source_address=(SOURCE, 0)) as client:
            client.starttls(context=context)
            client.login(self.recipients[0], PASSWORD)
            try:
                refused = client.sendmail(self.recipients[0], list(recipients), octets)
            except smtplib.SMTPException as error:
                self.faults.append(f"submission refused a mail: {error}")
                return 0
        return len(recipients) - len(refused)


async def prepare(instance: Instance, tarpits: Sequence[str]) -> Target:
    """Make the accounts."""
    names = [f"user{number:03d}" for number in range(RECIPIENTS)]
    found = await accounts.add_accounts(instance.mongo_url, "hostile", DOMAIN, [*names, "mallory"])
    return Target(instance, found[:RECIPIENTS], found[RECIPIENTS], tarpits)


def tarpit_routes(port: int) -> dict[str, str]:
    """The relay's routes to the tarpits, each at an address of its own, by domain."""
    return {f"mx{number}.tarpit.test": f"smtp://127.0.4.{number + 1}:{port}" for number in range(TARPITS)}


def environment(tarpit_port: int) -> dict[str, str]:
    """What the instance is started with: time-outs short enough to be seen, and the way to the tarpits."""
    return {"MAILYARD_RELAY_ROUTES": json.dumps(tarpit_routes(tarpit_port))}


@contextlib.asynccontextmanager
async def tarpits(port: int) -> AsyncIterator[None]:
    """SMTP servers that answer each command late and take nothing for good."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await asyncio.sleep(TARPIT_SECONDS)
                writer.write(b"220 wait\r\n" if not writer.is_closing() else b"")
                if not await reader.readline():
                    return
        except (OSError, asyncio.CancelledError):  # the run ends
            return
        finally:
            writer.close()

    addresses = [f"127.0.4.{number + 1}" for number in range(TARPITS)]
    server = await asyncio.start_server(serve, addresses, port)
    try:
        yield
    finally:
        server.close()
