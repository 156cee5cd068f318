r"""Runs dialogues: text files with what clients send and what they must read, line by line.

    # comment
    C: a1 NOOP            sent with CRLF              C2: by the second client, and so on
    C+ text               sent without CRLF           \xNN, \t and \\ are octets
    S: a1 OK done         the next line, exactly
    S~ a1 OK .*           the next line, as a regular expression
    S!                    the server has closed the connection
    ! deliver INBOX note \Seen     something happens elsewhere; see `_Happenings`

A dialogue begins after the greeting of a client that is logged in, unless it says `! greeting`. At its end nothing
may be left unread.
"""

import asyncio
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from imap_doubles import PASSWORD, MemoryChannel, World

from mailyard.imap.limits import ImapLimits
from mailyard.imap_server.handlers.dispatcher import Dispatcher
from mailyard.imap_server.session.options import SessionOptions
from mailyard.imap_server.session.session import ImapSession
from mailyard.listening.address import ClientAddress

LETTERS = Path(__file__).parent / "letters"
_LINE = re.compile(r"([CS])(\d?)([:~!+])(?: (.*))?")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|t|\\)")
_PATIENCE = 20.0  # seconds; commands that work in a thread need more than turns of the loop
_TURNS = 100


class DialogueFailed(AssertionError):
    """The server said something else; the text says where and what."""


def octets(text: str) -> bytes:
    """What a line of a dialogue means."""

    def one(match: re.Match[str]) -> str:
        word = match[1]
        return {"t": "\t", "\\": "\\"}.get(word) or chr(int(word[1:], 16))

    return _ESCAPE.sub(one, text).encode("latin-1") if text.isascii() else text.encode()


def letter(name: str) -> bytes:
    """A message from the folder of letters, with CRLF."""
    return (LETTERS / f"{name}.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@dataclass
class Client:
    """One connection to the server under test."""

    channel: MemoryChannel
    session: ImapSession
    task: asyncio.Task[None]
    read: int = 0

    async def settle(self) -> None:
        """Let the server do all that it can do now."""
        turns, until = 0, time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if self.task.done() or self.channel.quiet:
                return
            turns += 1
            await asyncio.sleep(0 if turns < _TURNS else 0.001)
        raise DialogueFailed("the server does not come to rest")

    def next_line(self) -> bytes | None:
        end = self.channel.sent.find(b"\r\n", self.read)
        if end < 0:
            return None
        line = bytes(self.channel.sent[self.read : end])
        self.read = end + 2
        return line

    @property
    def unread(self) -> bytes:
        return bytes(self.channel.sent[self.read :])


class Dialogue:
    """One run of a dialogue."""

    def __init__(self, world: World | None = None, options: SessionOptions | None = None) -> None:
        self.world = world or World()
        self.options = options or SessionOptions()
        self.clients: dict[str, Client] = {}
        self.greets = False

    async def run(self, script: str) -> None:
        """Run a script; raises DialogueFailed."""
        try:
            for number, line in enumerate(script.splitlines(), start=1):
                if line.strip() and not line.startswith("#"):
                    await self._line(number, line)
            self._nothing_left()
        finally:
            await self.close()

    async def close(self) -> None:
        for client in self.clients.values():
            client.task.cancel()
        await asyncio.gather(*(client.task for client in self.clients.values()), return_exceptions=True)

    async def _line(self, number: int, line: str) -> None:
        if line.startswith("! "):
            await self._happen(line[2:])
            return
        match = _LINE.fullmatch(line)
        if match is None:
            raise DialogueFailed(f"line {number} is no line of a dialogue: {line}")
        side, who, how, text = match[1], match[2] or "1", match[3], match[4] or ""
        client = await self.client(who)
        if side == "C":
            client.session.connection.receive_data(octets(text) + (b"" if how == "+" else b"\r\n"))
            client.channel.wake()
            await self._settle()
        else:
            self._expect(number, line, client, how, octets(text))

    def _expect(self, number: int, line: str, client: Client, how: str, text: bytes) -> None:
        if how == "!":
            if not client.task.done():
                raise DialogueFailed(
                    f"line {number}: the connection is still open, unread: {client.unread!r}"
                )
            return
        got = client.next_line()
        fits = got is not None and (re.fullmatch(text, got) if how == "~" else got == text)
        if not fits:
            raise DialogueFailed(
                f"line {number}: expected\n  {line}\nand got\n  S: {got!r}\nthen {client.unread!r}"
            )

    def _nothing_left(self) -> None:
        for who, client in self.clients.items():
            if client.unread:
                raise DialogueFailed(f"client {who} has not read {client.unread!r}")

    async def client(self, who: str) -> Client:
        """The client of this number; a new one connects, and logs in."""
        if who not in self.clients:
            client = self.clients[who] = await self._connect()
            if not self.greets:
                client.session.connection.receive_data(f"x LOGIN user@example.org {PASSWORD}\r\n".encode())
                client.channel.wake()
                await client.settle()
                client.read = len(client.channel.sent)
        return self.clients[who]

    async def _connect(self) -> Client:
        channel = MemoryChannel(self.world.clock)
        session = ImapSession(channel, self.world.backend(), self.options)
        client = Client(channel, session, asyncio.create_task(Dispatcher(session).run()))
        await client.settle()
        return client

    async def _settle(self) -> None:
        for client in self.clients.values():
            await client.settle()

    # What happens elsewhere

    async def _happen(self, words: str) -> None:
        name, *arguments = words.split()
        await getattr(self, f"_on_{name}")(*arguments)
        await self._settle()

    async def _on_greeting(self) -> None:
        self.greets = True

    async def _on_plaintext(self, ip: str = "192.0.2.7", tls: str = "") -> None:
        """Client 1 connects without TLS."""
        self.greets = True
        channel = MemoryChannel(self.world.clock)
        channel.client_ip, channel.secure, channel.may_start_tls = ip, False, tls == "tls"
        channel.is_local = ClientAddress(ip).is_on_loopback
        session = ImapSession(
            channel, self.world.backend(), replace(self.options, plaintext_on_loopback=True)
        )
        self.clients["1"] = Client(channel, session, asyncio.create_task(Dispatcher(session).run()))

    async def _on_limit(self, name: str, value: str) -> None:
        if name in ImapLimits.__dataclass_fields__:
            self.options = replace(self.options, limits=replace(self.options.limits, **{name: int(value)}))
        else:
            self.options = replace(self.options, **{name: int(value)})

    async def _on_deliver(self, box: str, name: str, *flags: str) -> None:
        self.world.deliver(box, letter(name), flags)

    async def _on_flag(self, box: str, uid: str, *flags: str) -> None:
        self.world.change(
            self.world.box(box), [int(uid)], lambda message: replace(message, flags=frozenset(flags))
        )

    async def _on_expunge(self, box: str, *uids: str) -> None:
        self.world.change(
            self.world.box(box), map(int, uids), lambda message: replace(message, expunged=True)
        )

    async def _on_delete(self, box: str) -> None:
        row = self.world.box(box).row
        del self.world.boxes[row.id]

    async def _on_lose(self, box: str, uid: str) -> None:
        """The body of a message is lost."""
        del self.world.bodies[self.world.box(box).messages[int(uid)].blob_id]

    async def _on_pass(self, seconds: str) -> None:
        self.world.clock.advance(float(seconds))

    async def _on_away(self) -> None:
        self.world.away = True

    async def _on_back(self) -> None:
        self.world.away = False

    async def _on_stop(self) -> None:
        for client in self.clients.values():
            client.session.stop()

    async def _on_hangup(self, who: str = "1") -> None:
        self.clients[who].channel.ended = True
        self.clients[who].channel.wake()
