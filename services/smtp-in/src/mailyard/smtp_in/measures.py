"""The metrics of one listener, looked up once."""

from mailyard.runtime.metrics import counter, gauge, histogram
from mailyard.smtp.reply import Reply
from mailyard.smtp_in.patience import Overdue
from mailyard.smtp_in.reasons import reason_of


class Measures:
    """The metrics of one listener."""

    def __init__(self, listener: str) -> None:
        """Label every metric with the name of the listener."""
        self._listener = listener
        self.open_connections = gauge("mailyard_smtp_in_open_connections").labels(listener)
        self.connections = counter("mailyard_smtp_in_connections_total").labels(listener)
        self._messages = counter("mailyard_smtp_in_accepted_messages_total").labels(listener)
        self._recipients = counter("mailyard_smtp_in_accepted_recipients_total").labels(listener)
        self._octets = counter("mailyard_smtp_in_accepted_bytes_total").labels(listener)
        self._seconds = histogram("mailyard_smtp_in_accept_seconds").labels(listener)
        self._refusals = counter("mailyard_smtp_in_refusals_total")
        self._overdue = counter("mailyard_smtp_in_timeouts_total")
        self._handshakes = counter("mailyard_smtp_in_tls_handshakes_total")

    def accepted(self, recipients: int, octets: int, seconds: float) -> None:
        """Count an accepted message."""
        self._messages.inc()
        self._recipients.inc(recipients)
        self._octets.inc(octets)
        self._seconds.observe(seconds)

    def refused(self, reply: Reply) -> None:
        """Count a refusal by its class."""
        self._refusals.labels(self._listener, reason_of(reply)).inc()

    def timed_out(self, what: Overdue) -> None:
        """Count a time-out."""
        self._overdue.labels(self._listener, what.value).inc()

    def handshake(self, *, succeeded: bool) -> None:
        """Count a TLS handshake."""
        self._handshakes.labels(self._listener, "done" if succeeded else "failed").inc()
