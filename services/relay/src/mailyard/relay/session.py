"""The I/O around the client core: one connection to one host, for one transaction after another.

What the network does ends in events of the core, never in exceptions.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from mailyard.relay.networklimiter import NetworkKeys
from mailyard.relay.replytimer import ReplyTimer, Timeouts
from mailyard.relay.tcpstream import TcpStream
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.smtp.client import (
    BodyWanted,
    ClientState,
    Done,
    Event,
    Lost,
    Ready,
    RecipientResult,
    SessionRefused,
    SmtpClient,
    StartTls,
    Step,
    TransactionEnvelope,
)
from mailyard.smtp.client.replies import lost_reply

Content = AsyncGenerator[bytes, None]
_SLICE_SECONDS: Final = 1.0
_READING_RATE: Final = 64 * 1024  # octets in a second: a host that reads a large message so fast is not slow


class ClientSession:
    """One session with a server; `peer`: the server as people read it, `mx.example[192.0.2.1]:25`."""

    def __init__(
        self,
        stream: TcpStream,
        client: SmtpClient,
        timeouts: Timeouts,
        peer: str,
        *,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`busy`: whether connections are short now, so that slow hosts get less time."""
        self.peer = peer
        self.transactions = 0
        self.idle_since = 0.0
        self.networks: NetworkKeys | None = None  # under which it counts at the `NetworkLimiter`
        self.was_cut = False
        self._stream = stream
        self._client = client
        self._timer = ReplyTimer(timeouts, busy=busy)
        self._waited = 0.0
        self._writing = 0.0
        self._written = 0
        self._on_close: Callable[[], None] | None = None

    @property
    def tls(self) -> str:
        """Return TLS version and cipher; empty: in clear."""
        return self._stream.tls

    @property
    def server_name(self) -> str:
        """Return the name of the server in its reply to EHLO."""
        return self._client.server_name

    @property
    def usable(self) -> bool:
        """Tell whether another transaction may begin: the connection is open and no reply is unread."""
        return self._client.state is ClientState.READY and not self._stream.pending

    @property
    def awaits_final_reply(self) -> bool:
        """Tell whether the whole message was sent, so that the host may have accepted it."""
        return self._client.state is ClientState.ENDING

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call `call` once when the session ends."""
        self._on_close = call

    def take_waited(self) -> float:
        """Return the seconds spent since the last call in waiting for the host: for replies, and for messages to be read.

        Reading a message counts as far as it took longer than at `_READING_RATE`.
        """
        waited = self._waited + max(0.0, self._writing - self._written / _READING_RATE)
        self._waited = self._writing = 0.0
        self._written = 0
        return waited

    def cut(self) -> None:
        """End the transaction in hand: the connection breaks, and what was open fails for now."""
        self.was_cut = True
        self._stream.abort()

    async def open(self, context: ssl.SSLContext, name: str, tls: TlsPolicy) -> SessionRefused | None:
        """Greeting, EHLO, TLS for `name` with the check of `tls`, AUTH; None when the session is ready."""
        self._timer.begin()
        events = await self._exchange()
        while True:
            last = events[-1] if events else None
            match last:
                case StartTls():
                    events = await self._secure(context, name, tls)
                case Ready():
                    return None
                case SessionRefused():
                    return last
                case Lost():  # in one breath with the reply to EHLO
                    return SessionRefused(Step.HELLO, last.reply, last.own)
                case _:
                    events = await self._exchange()

    async def send(self, envelope: TransactionEnvelope, content: Content) -> Done:
        """Run one transaction. Errors of reading `content` are raised, and the connection is cut."""
        self.transactions += 1
        self._timer.begin()
        if not self.usable:
            gone = RecipientResult(Step.MAIL, lost_reply("the server closed the idle connection"), own=True)
            self._client.connection_lost("idle")
            return Done((gone,) * len(envelope.recipients))
        async with aclosing(content):
            return await self._transact(envelope, content)

    def close(self) -> None:
        """Send QUIT where that is possible, and close without waiting for the reply."""
        if self.usable:
            self._client.quit()
            self._stream.say(self._client.data_to_send())
            self._stream.close()
        else:
            self._stream.abort()
        ended, self._on_close = self._on_close, None
        if ended is not None:
            ended()

    async def _transact(self, envelope: TransactionEnvelope, content: Content) -> Done:
        events = self._client.begin(envelope)
        while True:
            for event in events:
                if isinstance(event, Done):
                    return event
            wanted = any(isinstance(event, BodyWanted) for event in events)
            events = await (self._send_body(content) if wanted else self._exchange())

    async def _send_body(self, content: Content) -> list[Event]:
        """Send the body, unless the server refuses the message before its end."""
        try:
            async for piece in content:
                while self._stream.pending or not self._client.takes_body:
                    if events := await self._receive():
                        return events
                self._client.send_body(piece)
                if events := await self._flush():
                    return events
        except Exception:
            self._stream.abort()
            self._client.connection_lost("the message could not be read")
            raise
        self._client.end_body()
        return await self._flush()

    async def _secure(self, context: ssl.SSLContext, name: str, tls: TlsPolicy) -> list[Event]:
        try:
            async with asyncio.timeout(self._timer.left(Step.STARTTLS, self._client.answers)):
                await self._stream.start_tls(context, name)
        except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot say
            return self._client.tls_failed(brief(error))
        if (reason := tls.refusal(name, self._stream.ssl_object)) is not None:
            return self._client.tls_failed(reason)
        return self._client.tls_established()

    async def _exchange(self) -> list[Event]:
        """Send the octets that wait, and receive the next ones."""
        return await self._flush() or await self._receive()

    async def _flush(self) -> list[Event]:
        data = self._client.data_to_send()
        if not data:
            return []
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timer.for_a_block()):
                await self._stream.write(data)
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._waited += time.monotonic() - began
            return self._lose(error, "to read what was sent")
        self._writing += time.monotonic() - began
        self._written += len(data)
        return []

    async def _receive(self) -> list[Event]:
        step = self._client.awaiting or Step.MAIL
        began = time.monotonic()
        try:
            data = await self._read(step)
        except OSError as error:
            return self._lose(error, f"to answer {step.value}")
        finally:
            self._waited += time.monotonic() - began
        if not data:
            return self._client.connection_lost("the server closed the connection")
        return self._client.receive_data(data)

    async def _read(self, step: Step) -> bytes:
        """Wait in slices: the time that is left may become less while connections are short."""
        while (left := self._timer.left(step, self._client.answers)) > _SLICE_SECONDS:
            try:
                async with asyncio.timeout(_SLICE_SECONDS):
                    return await self._stream.read()
            except TimeoutError:
                continue
        async with asyncio.timeout(left):
            return await self._stream.read()

    def _lose(self, error: OSError, what: str) -> list[Event]:
        timed_out = isinstance(error, TimeoutError)
        reason = f"timed out waiting for the server {what}" if timed_out else brief(error)
        return self._client.connection_lost(f"connection lost: {reason}")


def brief(error: Exception) -> str:
    """Describe an error for a log and for the sender."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not prove the host's name: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
