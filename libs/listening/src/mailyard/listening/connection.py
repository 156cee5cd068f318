"""One client's connection, from its admission to its end, and what makes it; each protocol derives its own of both."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol, cast

from prometheus_client import Gauge

from mailyard.listening.address import ClientAddress, address_of
from mailyard.listening.admission import ConnectionLimit
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.certificates import Certificates
from mailyard.listening.states import OPEN_STATES, ConnectionState, enter
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


class ConnectionOwner(Protocol):
    """The listener, as a connection sees it."""

    memory: MemoryBudget  # of all connections of the process
    certificates: Certificates | None  # None: there is no TLS
    tls_first: bool  # each connection begins with a TLS handshake (RFC 8314 section 3.3)
    is_draining: bool  # the service stops, and takes no new work

    def admit(self, connection: "ClientConnection") -> bytes | None:
        """Count a connection, or return what a refused one is sent in place of a greeting."""

    def authenticated(self, connection: "ClientConnection") -> None:
        """Forget that a connection has no login."""

    def forget(self, connection: "ClientConnection") -> None:
        """Forget a connection that has ended."""


class ClientConnection(asyncio.BaseProtocol, ABC):
    """The state that all protocols share; a subclass is also an `asyncio.Protocol` or `BufferedProtocol`.

    The listener calls `admit` before a TLS handshake or after a PROXY header; without either, `connection_made` does.
    Then `opened` is called once. Each admitted connection calls `end` once, at the latest when its transport is gone.
    """

    is_connected = False  # there is, or was, a transport

    def __init__(self, owner: ConnectionOwner) -> None:
        self.client = ClientAddress("")
        self.state = ConnectionState.NEW
        self.connecting: asyncio.Task[None] | None = None  # the TLS handshake that comes first
        self._owner = owner
        self._holding = owner.memory.holding()
        self._transport: asyncio.Transport

    @property
    def is_logging_in(self) -> bool:
        """Whether a password is being checked."""
        return False

    @property
    def is_open(self) -> bool:
        """Whether input is read and answered."""
        return self.state in OPEN_STATES

    def admit(self, client: ClientAddress) -> bytes | None:
        """Count the connection of a client; return what a refused one is sent, which ends it."""
        self.client = client
        refusal = self._owner.admit(self)
        self.enter(ConnectionState.ADMITTED if refusal is None else ConnectionState.CLOSED)
        return refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve the client, or refuse it."""
        self._transport = cast("asyncio.Transport", transport)
        if self.state is ConnectionState.CLOSED:  # ended while the transport was made
            self._transport.abort()
            return
        if self.state is ConnectionState.NEW:
            refusal = self.admit(address_of(transport.get_extra_info("peername")))
            if refusal is not None:
                self._transport.write(refusal)
                self._transport.close()
                return
        self.is_connected = True
        self.enter(ConnectionState.OPEN)
        self.opened()
        if self._owner.is_draining:  # accepted just before the listener closed
            self.shut_down()

    @abstractmethod
    def opened(self) -> None:
        """Greet the client: the transport is there, after TLS where that comes first."""

    @abstractmethod
    def shut_down(self) -> None:
        """Take no new work, and close as soon as none is in hand."""

    def end_early(self, last_reply: bytes) -> None:
        """Cut the connection to make room for another; send as much as the network takes at once."""
        if self.is_connected:
            self._transport.write(last_reply)
        self.abort()

    def abort(self) -> None:
        """Cut the connection; what is not sent yet is lost."""
        if self.is_connected:
            self._transport.abort()
        elif self.connecting is not None:
            self.connecting.cancel()

    def terminate(self) -> None:
        """Cut the connection and end all of its work, because the process ends."""
        self.abort()

    def end(self) -> None:
        """Leave the listener and its limits; safe to call again."""
        if self.state is not ConnectionState.CLOSED:
            self.enter(ConnectionState.CLOSED)
            self._owner.forget(self)

    def enter(self, state: ConnectionState) -> None:
        """Change the state along the table; raises InvalidTransition."""
        self.state = enter(self.state, state)


class ConnectionFactory(ABC):
    """The protocol of a listener: makes its connections, and counts and logs what becomes of them."""

    listening_event: str
    """Event that is logged when the listener accepts connections, for instance `smtp_in.listening`."""
    accept_failed_event: str
    """Event that is logged when a connection could not be accepted."""
    label: str
    """Name of the listener in metrics and logs."""
    open_connections: Gauge
    last_reply: bytes = b""
    """What a connection without a login is sent when it ends to make room for another."""

    @abstractmethod
    def connection(self, owner: ConnectionOwner) -> ClientConnection:
        """Make the protocol object of a connection that was accepted."""

    @abstractmethod
    def count(self, limit: ConnectionLimit | None) -> None:
        """Count an accepted connection, or one that a limit refused or ended."""

    @abstractmethod
    def refusal(self, limit: ConnectionLimit) -> bytes:
        """Return what a refused client is sent in place of a greeting."""

    def check(self, connections: Collection[ClientConnection], now: float, *, is_busy: bool) -> None:  # noqa: B027
        """Look for connections that take too long; called once per second. `now` is of time.monotonic."""

    def accept_failed(self, error: OSError) -> None:
        """Log that a connection could not be accepted."""
        _log.warning(self.accept_failed_event, listener=self.label, error=str(error))

    def handshake_ended(self, client: ClientAddress, error: BaseException | None) -> None:  # noqa: B027
        """Count or log a TLS handshake that came first; `error` is None where it succeeded."""
