"""A small SMTP client that knows for each attempt whether the server has taken the mail, refused it, or never said.

It is independent of Mailyard's own client on purpose. RFC 5321; recipients are sent one by one.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

REPLY_LIMIT_SECONDS = 60
CONNECT_LIMIT_SECONDS = 10


class Outcome(Enum):
    """What is known about an attempt; the reply to the final dot decides (RFC 5321, section 6.1)."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the final dot may have arrived, no reply came
    UNSENT = "unsent"  # the final dot was never written: the server must not deliver


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's code and its text, lines joined."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """2yz or 3yz."""
        return 200 <= self.code < 400


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one attempt, the recipients that it holds for, the server's last words, and its words to the others."""

    outcome: Outcome
    accepted: tuple[str, ...]
    reply: Reply | None
    refusals: tuple[Reply, ...] = ()  # of single recipients, while others were accepted


class ConnectionEnded(Exception):
    """The server closed the connection or stopped talking."""


class SmtpConnection:
    """One connection, kept for several mails."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.limit_seconds: float = REPLY_LIMIT_SECONDS

    @classmethod
    async def open(cls, host: str, port: int, name: str = "trial.example") -> Self:
        """Connect and greet; raises ConnectionEnded, also when the greeting or EHLO is not positive."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_SECONDS):
                connection = cls(*await asyncio.open_connection(host, port))
        except (OSError, TimeoutError) as error:
            raise ConnectionEnded(str(error)) from error
        for command in (None, f"EHLO {name}"):
            reply = await connection.command(command)
            if not reply.positive:
                await connection.close()
                raise ConnectionEnded(f"{reply.code} {reply.text}")
        return connection

    async def command(self, line: str | None) -> Reply:
        """Send a line (None: only wait, as for the greeting) and return the reply; raises ConnectionEnded."""
        try:
            async with asyncio.timeout(self.limit_seconds):
                if line is not None:
                    self._writer.write(line.encode() + b"\r\n")
                    await self._writer.drain()
                return await self._reply()
        except (OSError, TimeoutError, ValueError) as error:
            raise ConnectionEnded(repr(error)) from error

    async def send(
        self, sender: str, recipients: Sequence[str], octets: bytes, parameters: str = ""
    ) -> Result:
        """One mail; never raises for what the server or the network does: the Result says it.

        `octets` end with CRLF; `parameters` follow MAIL FROM (RFC 5321, section 4.1.1.2).
        """
        if not octets.endswith(b"\r\n"):
            raise ValueError("a mail in DATA ends with CRLF")
        reply: Reply | None = None
        accepted: list[str] = []
        refusals: list[Reply] = []
        try:
            reply = await self.command(f"MAIL FROM:<{sender}> {parameters}".rstrip())
            if not reply.positive:
                return await self._refused(reply)
            for recipient in recipients:
                reply = await self.command(f"RCPT TO:<{recipient}>")
                if reply.positive:
                    accepted.append(recipient)
                else:
                    refusals.append(reply)
            if not accepted:
                return await self._refused(reply)
            reply = await self.command("DATA")
            if reply.code != 354:
                return await self._refused(reply)
            await self._write_body(octets)
        except ConnectionEnded:
            await self.close()
            return Result(Outcome.UNSENT, (), reply, tuple(refusals))
        return await self._end_of_data(tuple(accepted), tuple(refusals))

    async def close(self) -> None:
        """Close without QUIT."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    @property
    def open_(self) -> bool:
        """Whether the connection can take another mail."""
        return not self._writer.is_closing()

    async def _write_body(self, octets: bytes) -> None:
        """All but the final dot, so that an error here means that the server cannot have the whole mail."""
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        self._writer.write(b"." + stuffed if stuffed.startswith(b".") else stuffed)
        try:
            async with asyncio.timeout(self.limit_seconds):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ConnectionEnded(str(error)) from error

    async def _end_of_data(self, accepted: tuple[str, ...], refusals: tuple[Reply, ...]) -> Result:
        try:
            reply = await self.command(".")
        except ConnectionEnded:
            await self.close()
            return Result(Outcome.UNKNOWN, accepted, None, refusals)
        outcome = Outcome.ACKNOWLEDGED if reply.positive else Outcome.REFUSED
        return Result(outcome, accepted, reply, refusals)

    async def _refused(self, reply: Reply) -> Result:
        with contextlib.suppress(ConnectionEnded):
            await self.command("RSET")
        return Result(Outcome.REFUSED, (), reply)

    async def _reply(self) -> Reply:
        lines: list[str] = []
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionEnded("the server closed the connection")
            lines.append(line[4:].decode(errors="replace").strip())
            if line[3:4] != b"-":
                return Reply(int(line[:3]), "\n".join(lines))
