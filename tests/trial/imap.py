"""A small IMAP client for observers: RFC 3501 with IDLE (RFC 2177), literals read whole, nothing cached."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from typing import Self

LIMIT_SECONDS = 60
LINE_LIMIT = 8 * 1024 * 1024  # SEARCH answers of large mailboxes are one line
LITERAL_AT_END = re.compile(rb"\{(\d+)\}\r\n\Z")
UID_ITEM = re.compile(rb"\bUID (\d+)")


class ImapFailed(Exception):
    """The server said NO or BAD, closed the connection, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response: its text without literals, and the literals in their order."""

    text: bytes
    literals: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    """The data of SELECT about a mailbox."""

    exists: int
    uid_validity: int
    uid_next: int


class ImapConnection:
    """One authenticated connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = count(1)
        self.limit_seconds: float = LIMIT_SECONDS

    @classmethod
    async def open(
        cls, host: str, port: int, login: str, password: str, *, tls: ssl.SSLContext | None = None
    ) -> Self:
        """Connect, over TLS from the start where a context is given, and LOGIN; raises ImapFailed."""
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection(host, port, limit=LINE_LIMIT, ssl=tls)
        except (OSError, TimeoutError) as error:
            raise ImapFailed(f"cannot connect: {error}") from error
        connection = cls(reader, writer)
        try:
            await connection._next_response()
            await connection.command(f'LOGIN "{login}" "{password}"')
        except ImapFailed:
            await connection.close()
            raise
        return connection

    async def command(self, line: str) -> list[Response]:
        """Send a command; return its untagged responses; raises ImapFailed unless it ends with OK."""
        return [response async for response in self.responses(line)]

    async def responses(self, line: str) -> AsyncIterator[Response]:
        """Send a command and yield its untagged responses as they come."""
        tag = f"t{next(self._numbers)}"
        await self._send(f"{tag} {line}")
        while True:
            response = await self._next_response()
            if response.text.startswith(tag.encode() + b" "):
                self._raise_unless_ok(response.text[len(tag) + 1 :])
                return
            yield response

    async def select(self, mailbox: str = "INBOX", *, examine: bool = False) -> Selected:
        """SELECT or EXAMINE."""
        answers = await self.command(f'{"EXAMINE" if examine else "SELECT"} "{mailbox}"')
        text = b"".join(answer.text for answer in answers)
        return Selected(
            exists=_number(rb"\* (\d+) EXISTS", text),
            uid_validity=_number(rb"\[UIDVALIDITY (\d+)\]", text),
            uid_next=_number(rb"\[UIDNEXT (\d+)\]", text),
        )

    async def all_uids(self) -> list[int]:
        """UID SEARCH ALL, in the order of the answer."""
        answers = await self.command("UID SEARCH ALL")
        words = (answer.text.split() for answer in answers if answer.text.upper().startswith(b"* SEARCH"))
        return [int(word) for line in words for word in line[2:]]

    async def uids_from(self, first: int) -> list[int]:
        """UIDs at or above `first`, by UID FETCH first:* (which also answers with the last one below it)."""
        answers = await self.command(f"UID FETCH {first}:* (UID)")
        return [uid for answer in answers if (uid := fetched_uid(answer)) is not None]

    async def bodies(self, uid_set: str) -> AsyncIterator[tuple[int, bytes]]:
        """UID and octets of each message of a UID set."""
        async for answer in self.responses(f"UID FETCH {uid_set} (UID BODY.PEEK[])"):
            if (uid := fetched_uid(answer)) is not None and answer.literals:
                yield uid, answer.literals[0]

    async def idle(self, seconds: float) -> bool:
        """IDLE until the server announces new mail or the time is up; return whether it did."""
        tag = f"t{next(self._numbers)}"
        await self._send(f"{tag} IDLE")
        await self._continuation()
        news = await self._news_within(seconds)
        await self._send("DONE")
        while not (response := await self._next_response()).text.startswith(tag.encode()):
            news = news or b"EXISTS" in response.text
        self._raise_unless_ok(response.text[len(tag) + 1 :])
        return news

    async def close(self) -> None:
        """Close without LOGOUT."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    async def _news_within(self, seconds: float) -> bool:
        """Whether an EXISTS comes in time; only the wait for a line's first octet is cut short."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    line = await self._reader.readuntil(b"\r\n")
                    if b"EXISTS" in line:
                        return True
        except TimeoutError:
            return False
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ImapFailed(f"connection: {error!r}") from error

    async def _continuation(self) -> None:
        while not (response := await self._next_response()).text.startswith(b"+"):
            if not response.text.startswith(b"*"):
                raise ImapFailed(f"no continuation: {response.text!r}")

    async def _send(self, line: str) -> None:
        try:
            self._writer.write(line.encode() + b"\r\n")
            await self._writer.drain()
        except OSError as error:
            raise ImapFailed(str(error)) from error

    async def _next_response(self) -> Response:
        try:
            async with asyncio.timeout(self.limit_seconds):
                return await self._read_response()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ImapFailed(f"connection: {error!r}") from error

    async def _read_response(self) -> Response:
        text = b""
        literals: list[bytes] = []
        while True:
            line = await self._reader.readuntil(b"\r\n")
            literal = LITERAL_AT_END.search(line)
            if literal is None:
                return Response(text + line[:-2], tuple(literals))
            text += line[: literal.start()]
            literals.append(await self._reader.readexactly(int(literal[1])))

    @staticmethod
    def _raise_unless_ok(status: bytes) -> None:
        if not status.upper().startswith(b"OK"):
            raise ImapFailed(status.decode(errors="replace"))


def fetched_uid(response: Response) -> int | None:
    """The UID of a FETCH response, None for other responses."""
    if b" FETCH " not in response.text:
        return None
    found = UID_ITEM.search(response.text)
    return int(found[1]) if found else None


def _number(pattern: bytes, text: bytes) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise ImapFailed(f"SELECT did not return {pattern!r}: {text!r}")
    return int(found[1])
