"""The events of the client core.

`own`: the reply is the client's own and not the server's (a connection that broke, an extension that is missing).
"""

from dataclasses import dataclass

from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.states import Step
from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open: transactions may begin."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class StartTls:
    """Negotiate TLS now, then call `tls_established`, or `connection_lost` when it fails."""


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """Send the message with `send_body` and `end_body`."""


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """The result for one recipient: the reply that decided, and the step that it answered."""

    step: Step
    reply: Reply
    own: bool = False

    @property
    def uncertain(self) -> bool:
        """Whether the message was sent but not answered: the server may have taken it (RFC 5321 section 4.5.3.2.6)."""
        return self.own and self.step is Step.END


@dataclass(frozen=True, slots=True)
class Done:
    """The transaction is over: one outcome for each recipient, in the envelope's order."""

    outcomes: tuple[RecipientResult, ...]
    dsn_passed: bool = False  # the server took over the DSN parameters (RFC 3461 section 5.2)
    repaired: int = 0  # bare CRs and LFs that were sent as CRLF, NULs that were sent as ?


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The session could not be opened."""

    step: Step
    reply: Reply
    own: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or must be ended, outside the opening."""

    reply: Reply
    own: bool = False


Event = Ready | StartTls | BodyWanted | Done | SessionRefused | Lost
