"""The real service as a process of its own, with accounts and messages in a real store."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bson import ObjectId

from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.passwords import HashCost, Passwords
from mailyard.directory.provisioning import Provisioning
from mailyard.local.certificates import TlsFiles, ensure_certificates
from mailyard.local.processes import free_port
from mailyard.mailbox.factory import new_message
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.rows import ensure_schema
from mailyard.message.parse import parse_message
from mailyard.runtime.clock import now_utc
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import Store

USER, PASSWORD = "user@example.test", "correct horse"
LIMIT_SECONDS = 60
ADDRESS_IN_USE = 75  # the exit code
_CHEAP = HashCost(time=1, memory_kib=64)


@dataclass
class ImapService:
    """One running service."""

    folder: Path
    mongo_url: str
    database: str
    amqp_url: str
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._choose_ports()
        self.tls: TlsFiles = ensure_certificates(self.folder, ["localhost", "127.0.0.1"], now_utc())
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "imap.log"

    def _choose_ports(self) -> None:
        self.port, self.tls_port, self.http_port = free_port(), free_port(), free_port()

    def start_on_free_ports(self) -> None:
        """Start it; another test may take one of the free ports at the same moment."""
        try:
            self.start()
        except AssertionError:
            if self.process is None or self.process.poll() != ADDRESS_IN_USE:
                raise
            self._choose_ports()
            self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mailyard.imap_server.main"],
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        self.await_ready()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILYARD_")}
        return kept | {
            "MAILYARD_MONGO_URL": self.mongo_url,
            "MAILYARD_MONGO_DATABASE": self.database,
            "MAILYARD_AMQP_URL": self.amqp_url,
            "MAILYARD_HTTP_PORT": str(self.http_port),
            "MAILYARD_IMAP_LISTEN": f"127.0.0.1:{self.port}",
            "MAILYARD_IMAP_TLS_LISTEN": f"127.0.0.1:{self.tls_port}",
            "MAILYARD_IMAP_TLS_CERTIFICATE_FILE": str(self.tls.certificate),
            "MAILYARD_IMAP_TLS_KEY_FILE": str(self.tls.key),
            "MAILYARD_IMAP_PLAINTEXT_AUTH": "loopback",
            "MAILYARD_IMAP_ARGON2_TIME": "1",
            "MAILYARD_IMAP_ARGON2_MEMORY_KIB": "64",
            **self.variables,
        }

    def await_ready(self, status: int = 200) -> None:
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(
                    f"imap ended with {self.process.returncode}: {self.log.read_text()[-3000:]}"
                )
            if self._readyz() == status:
                return
            time.sleep(0.05)
        raise AssertionError(f"imap is not ready after {LIMIT_SECONDS} s: {self.log.read_text()[-3000:]}")

    def _readyz(self) -> int | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def metrics(self) -> str:
        """The metrics page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=5) as answer:
            page: bytes = answer.read()
        return page.decode()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.metrics().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} "))
        )

    def resident_bytes(self) -> int:
        return int(self.metric("process_resident_memory_bytes"))

    def peak_bytes(self) -> int:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(LIMIT_SECONDS)

    # What is in the store

    def provide(self) -> None:
        asyncio.run(self._with_store(_provide))

    def deliver(self, letters: Sequence[bytes], flags: Iterable[str] = (), mailbox: str = "INBOX") -> None:
        kept = frozenset(flags)
        asyncio.run(self._with_store(lambda store: _deliver(store, letters, kept, mailbox)))

    async def _with_store(self, work) -> None:
        store = Store(self.mongo_url, self.database)
        try:
            await work(store)
        finally:
            await store.close()


async def _provide(store: Store) -> None:
    await ensure_indexes(store)
    await ensure_schema(store)
    await Blobs(store).ensure_indexes()
    passwords = Passwords(_CHEAP)
    try:
        provisioning = Provisioning(store, passwords, now_utc)
        await provisioning.add_tenant("example")
        await provisioning.add_domain("example", "example.test")
        account = await provisioning.add_account("example", USER, PASSWORD)
        await Mailboxes(store).ensure_defaults(account.id)
    finally:
        passwords.close()


async def _deliver(store: Store, letters: Sequence[bytes], flags: frozenset[str], name: str) -> None:
    row = await store.collection("mailboxes").find_one({"name": name})
    assert row is not None
    blobs = Blobs(store)
    for start in range(0, len(letters), 500):
        some = letters[start : start + 500]
        bodies = [await _body(blobs, octets) for octets in some]
        await blobs.put_many(bodies)
        now = now_utc()
        messages = [_message(row["account"], *each, flags, now) for each in zip(bodies, some, strict=True)]
        await insert_messages(store, [Insertion(row["_id"], message) for message in messages])


async def _body(blobs: Blobs, octets: bytes) -> Body:
    writer = blobs.writer()
    await writer.write(octets)
    return await writer.finish()


def _message(
    account: ObjectId, body: Body, octets: bytes, flags: frozenset[str], now: datetime
) -> NewMessage:
    return new_message(
        parse_message(b"", octets),
        account=account,
        blob_id=body.blob_id,
        body_size=body.size,
        internal_date=now,
        flags=flags,
    )
