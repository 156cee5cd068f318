"""The limits of one connection, and the profile of a listener."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from mailyard.smtp.reply import Reply

MINIMUM_COMMAND_LINE = 512
"""RFC 5321 section 4.5.3.1.4."""
MINIMUM_RECIPIENTS = 100
"""RFC 5321 section 4.5.3.1.8."""

_SLACK = 65_536  # so that a small limit does not end connections for a little text


class Mode(Enum):
    """The protocol of a listener and its clients."""

    MX = "mx"  # RFC 5321, other servers
    SUBMISSION = "submission"  # RFC 6409, users, who must authenticate
    LMTP = "lmtp"  # RFC 2033, gateways of the same installation


class BareNewline(StrEnum):
    """The treatment of a CR or LF that stands alone (RFC 5321 section 2.3.8: they MUST NOT be sent).

    They are never passed on: a receiver that takes LF "." LF for an end would see two messages in one.
    """

    REJECT = "reject"
    REPAIR = "repair"  # each becomes CRLF


class NulOctet(StrEnum):
    """The treatment of a NUL in a message that is not BINARYMIME (RFC 2045 sections 2.7 and 2.8 forbid them).

    They are never passed on: a receiver that drops NUL could see the end of DATA in CRLF NUL "." CRLF.
    """

    REJECT = "reject"
    REPLACE = "replace"  # each becomes a question mark


class EarlyData(StrEnum):
    """The treatment of a client that sends the message before the reply to DATA (RFC 2920 section 3.1: it MUST wait)."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """Limits on everything that a client can make grow."""

    command_line: int = 4096
    """Octets with CRLF: 512 and what SIZE, DSN, AUTH and SMTPUTF8 add; enough for each response of AUTH PLAIN."""
    commands: int = 100_000
    """Commands of one connection."""
    idle_commands: int = 100
    """Commands since the last accepted message that do not lead to one: NOOP, RSET, VRFY, EHLO, HELP, EXPN."""
    errors: int = 20
    """Commands since the last accepted message that the protocol refuses, and failed authentications."""
    refused_recipients: int = 100
    """Recipients since the last accepted message that policy refuses."""
    recipients: int = 1000
    """Recipients of one message."""
    message_size: int = 50 * 1024 * 1024
    """Octets of one message (RFC 1870)."""
    pipelined: int = 65536
    """Octets of input that may wait in the session; beyond, the caller stops reading."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of one listener. `starttls`: TLS can be started on a plaintext connection."""

    mode: Mode
    hostname: str
    limits: SmtpLimits = SmtpLimits()
    starttls: bool = False
    bare_newline: BareNewline = BareNewline.REJECT
    nul: NulOctet | None = NulOctet.REPLACE  # None: keep, for a server that shows the octets as received
    early_data: EarlyData = EarlyData.ACCEPT
    binarymime: bool = True

    @property
    def most_octets(self) -> int:
        """Octets of a message that are read at most: a message far over the limit ends the connection."""
        return 2 * self.limits.message_size + _SLACK

    def __post_init__(self) -> None:
        if self.limits.command_line < MINIMUM_COMMAND_LINE:
            raise ValueError(f"command_line is at least {MINIMUM_COMMAND_LINE} (RFC 5321 section 4.5.3.1.4)")
        if self.limits.recipients < MINIMUM_RECIPIENTS:
            raise ValueError(f"recipients is at least {MINIMUM_RECIPIENTS} (RFC 5321 section 4.5.3.1.8)")


@dataclass(slots=True)
class Tally:
    """The use that a connection has made of its limits."""

    limits: SmtpLimits
    commands: int = 0
    idle_commands: int = 0
    errors: int = 0
    refused_recipients: int = 0

    def accepted(self) -> None:
        """Forget errors: a message was accepted, so the client is a mail client."""
        self.idle_commands = self.errors = self.refused_recipients = 0

    def exhausted(self) -> Reply | None:
        """Return the reply that ends the connection when a limit is exceeded; None otherwise."""
        limits = self.limits
        if self.commands > limits.commands:
            return _TOO_MANY_COMMANDS
        if self.errors > limits.errors:
            return _TOO_MANY_ERRORS
        if self.idle_commands > limits.idle_commands:
            return _TOO_MANY_IDLE_COMMANDS
        if self.refused_recipients > limits.refused_recipients:
            return _TOO_MANY_REFUSED
        return None


# RFC 5321 section 3.8: 421 is the one reply with which a server may end a connection on its own.
_TOO_MANY_COMMANDS = Reply(421, "4.7.0", ("Too many commands on one connection; please connect again",))
_TOO_MANY_ERRORS = Reply(421, "4.7.0", ("Too many errors, closing connection",))
_TOO_MANY_IDLE_COMMANDS = Reply(421, "4.7.0", ("Too many commands without mail, closing connection",))
_TOO_MANY_REFUSED = Reply(421, "4.7.0", ("Too many refused recipients, closing connection",))
