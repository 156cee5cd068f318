"""SMTP on a listener: makes the connections of one listener, counts them, and ends those that take too long."""

from collections.abc import Collection, Mapping

from mailyard.listening.address import ClientAddress
from mailyard.listening.admission import ConnectionLimit
from mailyard.listening.connection import ClientConnection, ConnectionFactory, ConnectionOwner
from mailyard.runtime.logs import get_logger
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.connection import Connection
from mailyard.smtp_in.listeners import ListenerProfile
from mailyard.smtp_in.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_ADDRESS
from mailyard.smtp_in.timeouts import TimeoutSettings

_REFUSALS: Mapping[ConnectionLimit, Reply] = {
    ConnectionLimit.TOTAL: TOO_MANY_CONNECTIONS,
    ConnectionLimit.ADDRESS: TOO_MANY_FROM_ADDRESS,
    ConnectionLimit.UNAUTHENTICATED: TOO_MANY_CONNECTIONS,
}
_log = get_logger(__name__)


class SmtpConnectionFactory(ConnectionFactory):
    """Makes the connections of one listener."""

    listening_event = "smtp_in.listening"
    accept_failed_event = "smtp_in.accept_failed"

    def __init__(self, listener: ListenerProfile, timeouts: TimeoutSettings) -> None:
        self.label = listener.name.value
        self.open_connections = listener.measures.open_connections
        self._listener = listener
        self._timeouts = timeouts

    def connection(self, owner: ConnectionOwner) -> Connection:
        """Make the protocol object of a connection."""
        return Connection(self._listener, owner)

    def count(self, limit: ConnectionLimit | None) -> None:
        """Count a connection, and its refusal."""
        self._listener.measures.connections.inc()
        if limit is not None:
            self._listener.measures.refused(_REFUSALS[limit])

    def refusal(self, limit: ConnectionLimit) -> bytes:
        """Return a refusal in place of the greeting (RFC 5321 section 3.1)."""
        return _REFUSALS[limit].wire

    def check(self, connections: Collection[ClientConnection], now: float, *, is_busy: bool) -> None:
        """End the connections that take too long; where memory is scarce, relieve those that hold some."""
        smtp = [each for each in connections if isinstance(each, Connection)]
        for connection in smtp:
            connection.check(self._timeouts, now, is_busy=is_busy)
        if self._listener.backend.memory.is_above_mark:
            for connection in smtp:
                connection.relieve(now)

    def handshake_ended(self, client: ClientAddress, error: BaseException | None) -> None:
        """Count a TLS handshake, and log a failed one."""
        self._listener.measures.handshake(succeeded=error is None)
        if error is not None:
            _log.info("smtp_in.handshake_failed", client_ip=client.ip, error=str(error))
