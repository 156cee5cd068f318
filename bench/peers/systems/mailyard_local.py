"""Mailyard in local mode: all services with a separate RabbitMQ and mongod, directory and ports."""

import asyncio
import imaplib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from bench.peers.systems.system import SystemFailed
from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.rows import MAILBOXES
from tests.trial import accounts
from tests.trial.instance import Instance, InstanceFailed

TENANT, DOMAIN = "bench", "bench.test"
DATABASE = "mailyard"
COUNT = ({"$match": {"name": INBOX}}, {"$group": {"_id": None, "total": {"$sum": "$total"}}})


class MailyardLocal:
    """One supervisor under one directory; implements System."""

    name = "mailyard"

    def __init__(self, directory: Path, mailboxes: int, port_base: int = 10_000) -> None:
        self._instance = Instance(directory.resolve(), port_base)
        self._users = tuple(f"user{number:02d}" for number in range(mailboxes))
        self._roots: dict[int, str] = {}
        self._store: MongoClient[dict[str, Any]] | None = None

    def start(self) -> None:
        """Start on an empty directory and make the accounts."""
        shutil.rmtree(self._instance.directory, ignore_errors=True)
        try:
            self._instance.start()
        except InstanceFailed as problem:
            raise SystemFailed(str(problem)) from problem
        asyncio.run(accounts.add_accounts(self._instance.mongo_url, TENANT, DOMAIN, self._users))
        self._store = MongoClient(self._instance.mongo_url)
        self._roots = {pid: name for name, pid in self._instance.pids().items()}
        self._roots[self._instance.supervisor_pid] = "supervisor"

    def stop(self) -> None:
        """Stop the supervisor, which stops everything."""
        if self._store is not None:
            self._store.close()
        self._instance.stop()

    def smtp(self) -> tuple[str, int]:
        """The MX listener."""
        return "127.0.0.1", self._instance.ports.listener("smtp")

    def imap(self) -> tuple[str, int]:
        """Where mailboxes are read."""
        return "127.0.0.1", self._instance.ports.listener("imap")

    def recipients(self) -> tuple[str, ...]:
        """One address for each account."""
        return tuple(f"{user}@{DOMAIN}" for user in self._users)

    def before_run(self) -> None:
        """Mailboxes are left to grow: Mailyard always works on larger ones than the peer."""

    def delivered(self) -> int:
        """The counters of the INBOX rows, as a majority has them: one command, as cheap as a look can be."""
        if self._store is None:
            raise SystemFailed("Mailyard has not been started")
        rows = self._store[DATABASE].get_collection(MAILBOXES, read_concern=ReadConcern("majority"))
        return sum(int(row["total"]) for row in rows.aggregate(list(COUNT)))

    def visible(self) -> int:
        """STATUS of every INBOX, as a client sees it."""
        return sum(self._messages(address) for address in self.recipients())

    def process_roots(self) -> Mapping[int, str]:
        """The supervisor and its parts, as they were after the start."""
        return self._roots

    def _messages(self, address: str) -> int:
        with imaplib.IMAP4(*self.imap(), timeout=60) as client:
            client.login(address, accounts.PASSWORD)
            _, answer = client.status(INBOX, "(MESSAGES)")
        return int(bytes(answer[0]).rsplit(b" ", 1)[1].rstrip(b")"))
