"""Raw TCP connections of a hostile peer, from a separate loopback address; it ignores all errors."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 60.0
_LAST_LINE = re.compile(rb"^\d{3} ")


class PeerGone(Exception):
    """The server closed the connection, refused it, or said nothing in time (`silent`)."""

    def __init__(self, error: object) -> None:
        self.silent = isinstance(error, TimeoutError)
        super().__init__("no answer in time" if self.silent else str(error) or repr(error))


@dataclass(slots=True)
class Peer:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, octets: bytes) -> None:
        """Write octets and wait until the socket takes more; raises PeerGone."""
        try:
            self.writer.write(octets)
            async with asyncio.timeout(REPLY_SECONDS):
                await self.writer.drain()
        except (OSError, TimeoutError) as error:
            raise PeerGone(error) from error

    async def line(self, seconds: float = REPLY_SECONDS) -> bytes:
        """Read one line; raises PeerGone."""
        try:
            async with asyncio.timeout(seconds):
                line = await self.reader.readline()
        except (OSError, TimeoutError, ValueError) as error:
            raise PeerGone(error) from error
        if not line.endswith(b"\n"):
            raise PeerGone("closed")
        return line

    async def reply(self, command: bytes | None = None) -> bytes:
        """Send an SMTP command (None: only read) and return the last line of its reply; raises PeerGone."""
        if command is not None:
            await self.send(command + b"\r\n")
        while not _LAST_LINE.match(line := await self.line()):
            pass
        return line

    async def tagged(self, command: bytes, *, seconds: float = REPLY_SECONDS) -> bytes:
        """Send an IMAP command with tag `h` and return the tagged line, reading over all else; raises PeerGone."""
        await self.send(b"h " + command + b"\r\n")
        return await self.until_tagged(seconds)

    async def until_tagged(self, seconds: float = REPLY_SECONDS) -> bytes:
        """Read to the line with the tag `h`; literals are read over by their octets; raises PeerGone."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    line = await self.reader.readline()
                    if not line.endswith(b"\n"):
                        raise PeerGone("closed")
                    if line.startswith(b"h "):
                        return line
                    if literal := re.search(rb"\{(\d+)\}\r\n$", line):
                        await self._skip(int(literal[1]))
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise PeerGone(error) from error

    async def _skip(self, octets: int) -> None:
        while octets > 0:
            octets -= len(await self.reader.readexactly(min(octets, 1 << 20)))

    def leave(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def peer(port: int, source: str = "127.0.0.1") -> AsyncIterator[Peer]:
    """Connect from a loopback address, and leave without a word at the end; raises PeerGone."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0), limit=1 << 24
            )
    except (OSError, TimeoutError) as error:
        raise PeerGone(error) from error
    found = Peer(reader, writer)
    try:
        yield found
    finally:
        found.leave()


async def begin_mail(connection: Peer, recipients: Sequence[str], sender: str = "h@sender.test") -> int:
    """Greet and go on to DATA; return how many recipients were taken; raises PeerGone when DATA is refused."""
    await connection.reply()
    await connection.reply(b"EHLO hostile.test")
    await connection.reply(f"MAIL FROM:<{sender}>".encode())
    taken = 0
    for recipient in recipients:
        taken += (await connection.reply(f"RCPT TO:<{recipient}>".encode())).startswith(b"2")
    answer = await connection.reply(b"DATA")
    if not answer.startswith(b"354"):
        raise PeerGone(answer.decode(errors="replace"))
    return taken
