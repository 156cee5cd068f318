"""A mail server in memory with chosen faults, each of which the harness must find. It speaks a part of SMTP and IMAP."""

import asyncio
import contextlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

PREFIX = b"Return-Path: <trial@sender.test>\r\nX-Fake: prefix\r\n"


class Flaw(Enum):
    """What the fake does wrong with every tenth mail."""

    NONE = "none"
    LOSE = "says 250 and forgets"
    DOUBLE = "stores twice"
    CHANGE = "changes an octet"
    INVENT = "delivers to somebody else too"
    LATE = "shows a lower UID after a higher one"


@dataclass(slots=True)
class FakeSystem:
    """Serves both protocols on loopback ports inside `async with`."""

    flaw: Flaw = Flaw.NONE
    mailboxes: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    smtp_port: int = 0
    imap_port: int = 0
    _count: int = 0
    _uid_next: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 1))
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        for serve in (self._smtp, self._imap):
            self._servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**22))
        self.smtp_port, self.imap_port = (one.sockets[0].getsockname()[1] for one in self._servers)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    def _take(self, recipients: list[str], octets: bytes) -> None:
        self._count += 1
        flaw = self.flaw if self._count % 10 == 0 else Flaw.NONE
        if flaw is Flaw.LOSE:
            return
        if flaw is Flaw.CHANGE:
            octets = octets.replace(b"..two", b".two", 1)
        if flaw is Flaw.INVENT:
            recipients = [*recipients, "user00@chaos.test", "user01@chaos.test", "user02@chaos.test"]
        for recipient in [*recipients, *(recipients if flaw is Flaw.DOUBLE else [])]:
            uid = self._uid_next[recipient]
            self._uid_next[recipient] = uid + 1
            self._show(recipient, uid, PREFIX + octets, late=flaw is Flaw.LATE)

    def _show(self, recipient: str, uid: int, octets: bytes, *, late: bool) -> None:
        if late:
            asyncio.get_running_loop().call_later(0.4, self.mailboxes[recipient].__setitem__, uid, octets)
        else:
            self.mailboxes[recipient][uid] = octets

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 fake\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                recipients.append(line.decode().split("<")[1].split(">")[0])
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                self._take(recipients, data[:-3].replace(b"\r\n..", b"\r\n."))
                recipients = []
            writer.write(b"250 ok\r\n")
        writer.close()

    async def _imap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        login = ""
        writer.write(b"* OK fake\r\n")
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                tag, _, command = line.partition(" ")
                if command.startswith("LOGIN"):
                    login = command.split('"')[1]
                elif command == "IDLE":
                    writer.write(b"+ idling\r\n")
                    await reader.readline()
                else:
                    self._answer(writer, command, login)
                writer.write(f"{tag} OK done\r\n".encode())
                await writer.drain()
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, command: str, login: str) -> None:
        mailbox = dict(sorted(self.mailboxes[login].items()))
        if command.startswith("EXAMINE"):
            writer.write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] fixed\r\n" % len(mailbox))
            writer.write(b"* OK [UIDNEXT %d] next\r\n" % (max(mailbox, default=0) + 1))
        elif command == "UID SEARCH ALL":
            writer.write(b"* SEARCH" + b"".join(b" %d" % uid for uid in mailbox) + b"\r\n")
        elif fetch := re.match(r"UID FETCH (\d+):\* \((.*)\)", command):
            self._fetch(writer, mailbox, int(fetch[1]), body="BODY" in fetch[2])

    @staticmethod
    def _fetch(writer: asyncio.StreamWriter, mailbox: dict[int, bytes], first: int, *, body: bool) -> None:
        last = max(mailbox, default=0)
        for number, (uid, octets) in enumerate(mailbox.items(), 1):
            if uid >= first or uid == last:
                literal = b" BODY[] {%d}\r\n%b" % (len(octets), octets) if body else b""
                writer.write(b"* %d FETCH (UID %d%b)\r\n" % (number, uid, literal))
