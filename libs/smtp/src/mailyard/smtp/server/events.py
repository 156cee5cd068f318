"""The events of a session.

`MailFrom`, `RcptTo`, `MessageEnd` and SASL `Credentials` need an answer before the session goes on. Credentials are
answered with 235 or a refusal (RFC 4954 section 6).
"""

from dataclasses import dataclass

from mailyard.sasl.mechanism import Credentials
from mailyard.smtp.parameters import MailParameters, RcptParameters
from mailyard.smtp.path import Path
from mailyard.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class MailFrom:
    """The client begins a transaction: answer with 250 or a refusal."""

    path: Path
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class RcptTo:
    """The client names a recipient: answer with 250 or a refusal."""

    path: Path
    parameters: RcptParameters


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The message is complete: answer with one reply; in LMTP, one for each recipient (RFC 2033 section 4.2)."""

    size: int
    nul_octets: int = 0  # how many were replaced


@dataclass(frozen=True, slots=True)
class BodyData:
    """Octets of the message; the caller pulls the next event when it can take more."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MessageAborted:
    """The message that had begun will not end; what was kept of it can be dropped."""


@dataclass(frozen=True, slots=True)
class TlsRequested:
    """Write the output, then begin the TLS handshake, then call `tls_established`."""


@dataclass(frozen=True, slots=True)
class InputRefused:
    """The session itself refused a command or a message; for logs and metrics."""

    verb: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Closing:
    """Write the output, then close. `is_unread`: the client is still sending; a reset must not destroy the reply."""

    is_unread: bool = False


Event = (
    MailFrom
    | RcptTo
    | MessageEnd
    | Credentials
    | BodyData
    | MessageAborted
    | TlsRequested
    | InputRefused
    | Closing
)
