"""The octets of one client's connection: input to the core, output at the client's pace, TLS.

Reading pauses while the session has more input than it has taken; writing waits while the client does not read. All
octets that the connection holds in memory count in the budget of the process.
"""

import asyncio

from mailyard.imap.server.connection import ServerConnection
from mailyard.listening.connection import ClientConnection, ConnectionOwner
from mailyard.listening.states import ConnectionState
from mailyard.runtime.metrics import counter

_RECEIVED = counter("mailyard_imap_received_bytes_total")
_SENT = counter("mailyard_imap_sent_bytes_total")

# The buffer of all connections: the loop's own would take 256 KiB for each piece.
_BUFFER = memoryview(bytearray(65_536))
_BACKLOG = 65_536  # octets received and not yet taken: beyond this, reading pauses
_FLUSH_AT = 65_536  # octets that are held back to be sent together, at most
_WRITE_HIGH, _WRITE_LOW = 262_144, 65_536  # of the transport's buffer
_WRITE_LOW_SCARCE = 0  # the same where memory is scarce: all of it must be read before there is more
_SCARCE_STALL_SECONDS = 30.0  # where memory is scarce, a client must have read what was sent within this time
_PAUSE_SECONDS = 0.05  # between two looks whether there is memory again
_LAST_WORD_SECONDS = 10.0


class ClientChannel(ClientConnection, asyncio.BufferedProtocol):
    """The input and output of a connection, as its session uses them."""

    def __init__(self, owner: ConnectionOwner, stall_seconds: float) -> None:
        """Cut a client that reads nothing for `stall_seconds` while it is sent something."""
        super().__init__(owner)
        self.secure = owner.tls_first
        self.ended = False
        self._budget = owner.memory
        self._stall_seconds = stall_seconds
        self._input: ServerConnection | None = None
        self._is_read_paused = False
        self._is_lost = False
        self._unsent: list[bytes] = []
        self._unsent_octets = 0
        self._reserved = 0
        self._sent_since_wait = 0
        self._woken = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def client_ip(self) -> str:
        """The client's IP address."""
        return self.client.ip

    @property
    def is_local(self) -> bool:
        """Whether the client is known to run on this machine."""
        return self.client.is_on_loopback

    def feed(self, target: ServerConnection) -> None:
        """Set where received octets go."""
        self._input = target

    # From the loop

    def opened(self) -> None:
        """Take over the transport."""
        self._limit_writing(_WRITE_LOW)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer that octets are received into; it is emptied before anything else is read."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Hand received octets to the core; pause reading while it has many."""
        if self._input is None:
            return
        _RECEIVED.inc(nbytes)
        self._input.receive_data(bytes(_BUFFER[:nbytes]))
        self._count()
        self._woken.set()
        if not self._is_read_paused and self.is_connected and self._input.backlog > _BACKLOG:
            self._is_read_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Note that the client sends no more; what it has sent is still answered (under TLS it cannot be)."""
        self.ended = True
        self._woken.set()
        return not self.secure

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that the connection is gone, by whichever side."""
        self.ended = self._is_lost = True
        self._holding.release()
        self._woken.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Note that the client does not read fast enough."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self._writable.set()

    # From the session

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is possible now."""
        return self._owner.certificates is not None and not self.secure

    def write(self, octets: bytes) -> None:
        """Send octets; short ones are sent together at the next `drain` or `wait`."""
        self._unsent.append(octets)
        self._unsent_octets += len(octets)
        if self._unsent_octets >= _FLUSH_AT:
            self._flush()

    def has_room(self, octets: int) -> bool:
        """Whether the process may hold so many more octets; they are counted until the next `wait` or `drain`."""
        return self._is_lost or self._holding.reserve(octets)

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
        """Count in the budget what is in memory."""
        if self._is_lost:
            return
        arrived = self._input.held if self._input else 0
        unread = self._transport.get_write_buffer_size() if self.is_connected else 0
        self._holding.resize(arrived + self._unsent_octets + unread + self._reserved)

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
        if self._is_lost:
            raise ConnectionResetError("the client is gone")

    async def _until_room(self) -> None:
        """Pause a long answer while there is no memory for more; clients that do not read are cut meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SCARCE_STALL_SECONDS
        while self._budget.is_exhausted and not self._is_lost and loop.time() < until:  # noqa: ASYNC110 - octets have no event
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
        if self.is_connected and not self._is_lost:
            self._transport.set_write_buffer_limits(_WRITE_HIGH, low)

    async def wait(self, seconds: float) -> bool:
        """Send what is held, then wait for input, its end, or `wake`; False when none came in time."""
        self._flush()
        self._count()
        self._sent_since_wait = 0
        if self._is_read_paused:
            self._is_read_paused = False
            if self.is_connected and not self._is_lost:
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
        """Do the TLS handshake of STARTTLS; raises OSError."""
        self._flush()
        certificates = self._owner.certificates
        if self._is_lost or not self.is_connected or certificates is None:
            raise ConnectionResetError("the client is gone")
        self._transport = await certificates.secure(self._transport, self)
        self._limit_writing(_WRITE_LOW)
        self.secure = True

    def close(self) -> None:
        """Send what is held and close; a client that does not take it is cut off soon."""
        self._flush()
        self._input = None
        self._reserved = 0
        self._count()
        if self.is_connected and not self._is_lost:
            if self.is_open:
                self.enter(ConnectionState.CLOSING)
            self._transport.close()
            asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, self.abort)

    def end_early(self, last_reply: bytes) -> None:
        """Cut the connection; what was written before is sent first, as far as the network takes it at once."""
        self.write(last_reply)
        self._flush()
        self.abort()

    def _flush(self) -> None:
        if not self._unsent:
            return
        octets = b"".join(self._unsent)
        self._unsent.clear()
        self._unsent_octets = 0
        if self.is_connected and not self._is_lost:
            _SENT.inc(len(octets))
            self._sent_since_wait += len(octets)
            self._transport.write(octets)
