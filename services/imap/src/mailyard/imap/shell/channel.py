"""One client's connection on the event loop: octets in to the core, octets out at the client's pace, TLS.

Reading pauses while the session has more than it has taken; writing waits while the client does not read. All octets that
the connection holds in memory count in the budget of the process.
"""

import asyncio
from typing import Protocol, cast

from mailyard.listening.address import ClientAddress
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.certificates import Certificates
from mailyard.runtime.metrics import counter

_RECEIVED = counter("mailyard_imap_received_bytes_total")
_SENT = counter("mailyard_imap_sent_bytes_total")

_BUFFER = memoryview(
    bytearray(65_536)
)  # of all connections: the loop's own would take 256 KiB for each piece
_BACKLOG = 65_536  # octets received and not yet taken: beyond this, reading pauses
_FLUSH_AT = 65_536  # octets that are held back to be sent together, at most
_WRITE_HIGH, _WRITE_LOW = 262_144, 65_536  # of the transport's buffer
_WRITE_LOW_SCARCE = 0  # the same where memory is scarce: all of it must be read before there is more
_SCARCE_STALL_SECONDS = 30.0  # where memory is scarce, a client must have read what was sent within this time
_PAUSE_SECONDS = 0.05  # between two looks whether there is memory again
_LAST_WORD_SECONDS = 10.0


class Input(Protocol):
    """Where octets go: `mailyard.imap.core.connection.Connection`."""

    @property
    def backlog(self) -> int:
        """Octets received and not yet taken."""

    @property
    def held(self) -> int:
        """Octets of memory that are in use or promised."""

    def receive_data(self, octets: bytes) -> None:
        """Take octets."""


class ClientChannel(asyncio.BufferedProtocol):
    """The asyncio side of a session's `Channel`."""

    def __init__(
        self,
        caller: ClientAddress,
        certificates: Certificates | None,
        stall_seconds: float,
        budget: MemoryBudget,
        *,
        secure: bool,
    ) -> None:
        """`secure`: TLS comes before anything else, so the connection is made when it is there."""
        self.caller = caller
        self.client_ip = caller.ip
        self.is_local = caller.is_on_loopback
        self.secure = secure
        self.ended = False
        self._certificates = certificates
        self._stall_seconds = stall_seconds
        self._transport: asyncio.Transport | None = None  # until connection_made
        self._input: Input | None = None
        self._reading = True
        self._lost = False
        self._held: list[bytes] = []
        self._held_octets = 0
        self._budget = budget
        self._holding = budget.holding()
        self._reserved = 0
        self._sent_since_wait = 0
        self._woken = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def feed(self, target: Input) -> None:
        """Say where octets go."""
        self._input = target

    # From the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there, after its TLS handshake where that comes first."""
        self._use(cast("asyncio.Transport", transport))

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where octets are put; what was put there is taken before anything else is read."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Octets have come."""
        if self._input is None:
            return
        _RECEIVED.inc(nbytes)
        self._input.receive_data(bytes(_BUFFER[:nbytes]))
        self._count()
        self._woken.set()
        if self._reading and self._transport and self._input.backlog > _BACKLOG:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client will send no more; what it has sent is still answered (under TLS it cannot be)."""
        self.ended = True
        self._woken.set()
        return not self.secure

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is gone, by whichever side."""
        self.ended = self._lost = True
        self._holding.release()
        self._woken.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    # From the session

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is possible now."""
        return self._certificates is not None and not self.secure

    def write(self, octets: bytes) -> None:
        """Send octets; short ones are sent together at the next `drain` or `wait`."""
        self._held.append(octets)
        self._held_octets += len(octets)
        if self._held_octets >= _FLUSH_AT:
            self._flush()

    def has_room(self, octets: int) -> bool:
        """Whether the process may hold so many more octets; they are counted until the next `wait` or `drain`."""
        return self._lost or self._holding.reserve(octets)

    def reserve(self, octets: int) -> bool:
        """Count octets that something is about to hold for this connection; False where there is no room for them."""
        if not self.has_room(octets):
            return False
        self._reserved += octets
        return True

    def give_back(self, octets: int) -> None:
        """Undo one `reserve`."""
        self._reserved -= octets
        self._count()

    def _count(self) -> None:
        """Hold in the budget what is in memory."""
        if self._lost:
            return
        arrived = self._input.held if self._input else 0
        unread = self._transport.get_write_buffer_size() if self._transport else 0
        self._holding.resize(arrived + self._held_octets + unread + self._reserved)

    async def drain(self) -> None:
        """Send what is held, and wait until the client has taken most of it; others have their turn meanwhile.

        Raises:
            ConnectionError: the client is gone, or has taken nothing for too long.

        """
        self._flush()
        await asyncio.sleep(0)
        if not self._writable.is_set():
            await self._until_read()
        self._count()
        if self._budget.is_exhausted and self._sent_since_wait > _WRITE_LOW:
            await self._until_room()
        if self._lost:
            raise ConnectionResetError("the client is gone")

    async def _until_room(self) -> None:
        """Pause a long answer while there is no memory for more; who does not read is cut off meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SCARCE_STALL_SECONDS
        while self._budget.is_exhausted and not self._lost and loop.time() < until:  # noqa: ASYNC110 - octets have no event
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _until_read(self) -> None:
        scarce = self._budget.is_above_mark
        if scarce:
            self._limit_writing(_WRITE_LOW_SCARCE)
        seconds = min(self._stall_seconds, _SCARCE_STALL_SECONDS) if scarce else self._stall_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._writable.wait()
        except TimeoutError as error:
            self.abort()
            raise ConnectionAbortedError("the client does not read") from error
        finally:
            if scarce:
                self._limit_writing(_WRITE_LOW)

    def _limit_writing(self, low: int) -> None:
        if self._transport is not None and not self._lost:
            self._transport.set_write_buffer_limits(_WRITE_HIGH, low)

    async def wait(self, seconds: float) -> bool:
        """Send what is held, then wait for input, its end, or `wake`; False when none came in time."""
        self._flush()
        self._count()
        self._sent_since_wait = 0
        if not self._reading:
            self._reading = True
            if self._transport and not self._lost:
                self._transport.resume_reading()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def wake(self) -> None:
        """End `wait`."""
        self._woken.set()

    async def start_tls(self) -> None:
        """Do the TLS handshake; raises OSError."""
        self._flush()
        if self._lost or self._transport is None or self._certificates is None:
            raise ConnectionResetError("the client is gone")
        self._use(await self._certificates.secure(self._transport, self))
        self.secure = True

    def close(self) -> None:
        """Send what is held and close; a client that does not take it is cut off soon."""
        self._flush()
        self._input = None
        self._reserved = 0
        self._count()
        if self._transport is not None and not self._lost:
            self._transport.close()
            asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, self.abort)

    @property
    def is_connected(self) -> bool:
        """Whether the line has been handed to the channel, after its TLS handshake where that comes first."""
        return self._transport is not None

    def cut_off(self, last_word: bytes) -> None:
        """Cut the line; the last word is sent as far as the network takes it at once."""
        self.write(last_word)
        self._flush()
        self.abort()

    def abort(self) -> None:
        """Cut the line."""
        if self._transport is not None:
            self._transport.abort()

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(_WRITE_HIGH, _WRITE_LOW)

    def _flush(self) -> None:
        if not self._held:
            return
        octets = b"".join(self._held)
        self._held.clear()
        self._held_octets = 0
        if self._transport and not self._lost:
            _SENT.inc(len(octets))
            self._sent_since_wait += len(octets)
            self._transport.write(octets)
