"""IMAP clients that watch during the whole run: some poll, some IDLE, all note every UID in order."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.mails import Arrival, recognise
from tests.chaos.view import View
from tests.trial.imap import ImapConnection, ImapFailed

FULL_LISTING_EVERY = 5
ROUNDS_PER_CONNECTION = 25
REPLY_LIMIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ImapServer:
    """Where accounts are read, and their passwords by login; a TLS context when the port speaks TLS from the start."""

    host: str
    port: int
    passwords: Mapping[str, str]
    tls: ssl.SSLContext | None = None

    async def connect(self, login: str) -> ImapConnection:
        """A new authenticated connection; raises ImapFailed."""
        return await ImapConnection.open(self.host, self.port, login, self.passwords[login], tls=self.tls)


class Observer:
    """One client on one mailbox."""

    def __init__(self, server: ImapServer, login: str, *, idles: bool, pause_seconds: float = 2.0) -> None:
        self._server = server
        self._login = login
        self._idles = idles
        self._pause_seconds = pause_seconds
        self._chance = random.Random(login)
        self.view = View(f"{login} ({'IDLE' if idles else 'poll'})")
        self.rounds = 0
        self.reconnects = -1

    async def run(self) -> None:
        """Watch until cancelled; connections that fail are opened again."""
        while True:
            self.reconnects += 1
            with contextlib.suppress(ImapFailed):
                connection = await self._server.connect(self._login)
                connection.limit_seconds = REPLY_LIMIT_SECONDS
                try:
                    await self._watch(connection)
                finally:
                    await connection.close()
            await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    async def _watch(self, connection: ImapConnection) -> None:
        """List everything, then only what is new, as clients do, and everything again now and then."""
        selected = await connection.select(examine=True)
        self.view.selected(selected.uid_validity, selected.uid_next)
        for number in range(ROUNDS_PER_CONNECTION):
            if number % FULL_LISTING_EVERY == 0:
                self.view.shown(await connection.all_uids())
            else:
                first = self.view.highest + 1
                self.view.shown(await self._new_uids(connection, first), first=first)
            self.rounds += 1
            await self._wait(connection)

    async def _new_uids(self, connection: ImapConnection, first: int) -> list[int]:
        """A server answers first:* also with the last message when all are below `first`: it is no news."""
        return [uid for uid in await connection.uids_from(first) if uid >= first or uid not in self.view.seen]

    async def _wait(self, connection: ImapConnection) -> None:
        if self._idles:
            await connection.idle(self._chance.uniform(0.3, 1.0) * self._pause_seconds)
        else:
            await asyncio.sleep(self._chance.uniform(0.05, 0.3) * self._pause_seconds)
            await connection.command("NOOP")


class Collector:
    """Fetches every mail of every mailbox once, in passes, and notes what it is."""

    def __init__(self, server: ImapServer) -> None:
        self._server = server
        self._views: dict[str, View] = {}
        self._arrivals: dict[tuple[str, int], Arrival] = {}

    @property
    def arrivals(self) -> Sequence[Arrival]:
        """All mails found so far."""
        return tuple(self._arrivals.values())

    @property
    def complaints(self) -> list[str]:
        """About the order of UIDs within the final listings."""
        return [complaint for view in self._views.values() for complaint in view.complaints]

    def found(self) -> set[tuple[str, int]]:
        """Mailboxes and numbers that are there."""
        return {(one.mailbox, one.number) for one in self._arrivals.values() if one.number is not None}

    async def collect(self, login: str) -> int:
        """Fetch what is new in one mailbox; return how many mails; raises ImapFailed."""
        view = self._views.setdefault(login, View(f"{login} (final)"))
        connection = await self._server.connect(login)
        try:
            selected = await connection.select(examine=True)
            view.selected(selected.uid_validity, selected.uid_next)
            uids = await connection.uids_from(1)
            view.listed_in_order(uids)
            fresh = [uid for uid in uids if uid not in view.seen]
            view.shown(uids)
            if fresh:
                await self._fetch(connection, login, min(fresh))
        finally:
            await connection.close()
        return len(fresh)

    async def _fetch(self, connection: ImapConnection, login: str, first: int) -> None:
        async for uid, octets in connection.bodies(f"{first}:*"):
            self._arrivals[login, uid] = recognise(login, uid, octets)
