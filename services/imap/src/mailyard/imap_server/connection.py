"""IMAP on a listener: each connection has a session, and a task that leads it from greeting to end."""

import asyncio
import functools

from mailyard.imap.server import responses
from mailyard.imap_server.channel import ClientChannel
from mailyard.imap_server.handlers.dispatcher import Dispatcher
from mailyard.imap_server.session.backend import ImapServices
from mailyard.imap_server.session.options import SessionOptions
from mailyard.imap_server.session.responsewriter import ResponseBroken
from mailyard.imap_server.session.session import ImapSession
from mailyard.listening.address import ClientAddress
from mailyard.listening.admission import ConnectionLimit
from mailyard.listening.connection import ConnectionFactory, ConnectionOwner
from mailyard.listening.states import ConnectionState
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

_OPEN = gauge("mailyard_imap_open_connections")
_ACCEPTED = counter("mailyard_imap_connections_total")
_REFUSED = counter("mailyard_imap_refused_connections_total")
for _limit in ConnectionLimit:  # shown as 0 before the first refusal
    _REFUSED.labels(_limit.value)
_CROWDED = responses.bye("Too many connections, try again later", "LIMIT")
_TOO_SLOW = responses.bye("Too many connections without a login", "LIMIT")
_log = get_logger(__name__)


class ImapConnection(ClientChannel):
    """One client's connection and its session."""

    def __init__(self, owner: ConnectionOwner, backend: ImapServices, options: SessionOptions) -> None:
        super().__init__(owner, options.stall_seconds)
        self._backend = backend
        self._options = options
        self._session: ImapSession | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def is_logging_in(self) -> bool:
        """Whether a password is being checked."""
        return self._session is not None and self._session.is_logging_in

    def opened(self) -> None:
        """Begin the session."""
        super().opened()
        self._session = session = ImapSession(self, self._backend, self._options)
        session.on_login = functools.partial(self._owner.authenticated, self)
        self.feed(session.connection)
        self._serving = asyncio.create_task(self._serve(session))
        self._serving.add_done_callback(lambda _: self.end())

    def shut_down(self) -> None:
        """Finish the command in hand, say BYE and end."""
        if self.state is ConnectionState.OPEN:
            self.enter(ConnectionState.DRAINING)
        if self._session is not None:
            self._session.stop()

    def terminate(self) -> None:
        """Cut the connection and end its session."""
        self.abort()
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self, session: ImapSession) -> None:
        try:
            await Dispatcher(session).run()
        except OSError as error:  # the client is gone, or its handshake failed
            _log.debug("imap.connection_ended", client_ip=self.client_ip, error=str(error))
        except ResponseBroken as error:
            _log.error("imap.response_broken", client_ip=self.client_ip, error=str(error))
            self.abort()
        except Exception:
            _log.exception("imap.session_failed", client_ip=self.client_ip)
        finally:
            self.close()


class ImapConnectionFactory(ConnectionFactory):
    """Makes the connections of one listener."""

    listening_event = "imap.listening"
    accept_failed_event = "imap.accept_failed"
    last_reply = _TOO_SLOW

    def __init__(self, label: str, backend: ImapServices, options: SessionOptions) -> None:
        """`label` is the listener's name in metrics."""
        self.label = label
        self.open_connections = _OPEN.labels(label)  # 0 before the first client: autoscaling reads it
        self._accepted = _ACCEPTED.labels(label)
        self._backend = backend
        self._options = options

    def connection(self, owner: ConnectionOwner) -> ImapConnection:
        """Make the protocol object of a connection."""
        return ImapConnection(owner, self._backend, self._options)

    def count(self, limit: ConnectionLimit | None) -> None:
        """Count an accepted connection, or one that a limit refused or ended."""
        if limit is None:
            self._accepted.inc()
        else:
            _REFUSED.labels(limit.value).inc()

    def refusal(self, limit: ConnectionLimit) -> bytes:  # noqa: ARG002 - clients are not told which limit
        """Return BYE."""
        return _CROWDED

    def handshake_ended(self, client: ClientAddress, error: BaseException | None) -> None:
        """Log a failed handshake."""
        if error is not None:
            _log.debug("imap.connection_ended", client_ip=client.ip, error=str(error))
