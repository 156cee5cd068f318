"""How long a client may take: decisions on values, with the clock as an argument."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, Field

from mailyard.listening.settings import Seconds


class Overdue(StrEnum):
    """What lasted too long; the label of the metric."""

    IDLE = "idle"  # silent between commands
    DATA = "data"  # silent within a message
    MESSAGE = "message"  # one message takes too long
    CONNECTION = "connection"  # open for long, and no message is under way
    UNREAD = "unread"  # the client does not read the replies
    SLOW = "slow"  # sends a message, but too few octets per second
    MEMORY = "memory"  # holds memory while it is scarce


class TimeoutSettings(BaseModel):
    """The limits of one connection."""

    idle_seconds: Seconds = Field(
        default=300.0,
        description="How long a client may be silent between commands (RFC 5321 section 4.5.3.2.7).",
    )
    busy_idle_seconds: Seconds = Field(
        default=10.0, description="The same while over three quarters of all connections are taken."
    )
    data_seconds: Seconds = Field(
        default=180.0,
        description="How long a client may be silent within a message, or not read our replies.",
    )
    message_seconds: Seconds = Field(
        default=3600.0, description="How long one message may take from DATA or the first BDAT to its end."
    )
    connection_seconds: Seconds = Field(
        default=14_400.0, description="After how long a connection is closed, unless a message is under way."
    )
    data_rate: float = Field(
        default=50.0,
        ge=0,
        le=100_000,
        description="Octets per second that a client must send within a message, averaged over data_seconds; 0: any.",
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a connection is doing; times are of one monotonic clock."""

    since: float  # the last input of the client, or the first output that it does not read
    opened: float
    message_since: float | None  # when the octets of the message under way began
    is_unread: bool  # replies pile up, because the client does not read them
    is_server_busy: bool  # the client waits for the server
    octets_lately: int | None = None  # of the message in the last `data_seconds`; None: shorter than that


def overdue(timeouts: TimeoutSettings, waiting: Waiting, now: float, *, is_busy: bool) -> Overdue | None:
    """Return what has lasted too long. Nothing does while the client waits for the server."""
    silence = now - waiting.since
    if waiting.is_unread:
        return Overdue.UNREAD if silence > timeouts.data_seconds else None
    if waiting.is_server_busy:
        return None
    if waiting.message_since is not None:
        if now - waiting.message_since > timeouts.message_seconds:
            return Overdue.MESSAGE
        if (
            waiting.octets_lately is not None
            and waiting.octets_lately < timeouts.data_rate * timeouts.data_seconds
        ):
            return Overdue.SLOW
        return Overdue.DATA if silence > timeouts.data_seconds else None
    if silence > (
        min(timeouts.busy_idle_seconds, timeouts.idle_seconds) if is_busy else timeouts.idle_seconds
    ):
        return Overdue.IDLE
    return Overdue.CONNECTION if now - waiting.opened > timeouts.connection_seconds else None


class MessageRate:
    """Counts the octets of the message under way in windows of time, one after the other."""

    def __init__(self) -> None:
        self._begin = 0.0  # of the window
        self._octets = 0  # of the message at that time

    def octets_lately(
        self, now: float, window: float, message_since: float | None, octets: int, *, is_server_busy: bool
    ) -> int | None:
        """Return the octets of a window that has passed, once; None within a window and outside of messages.

        A window begins anew with each message, and while the client waits for the server.
        """
        if message_since is None or is_server_busy or self._begin < message_since:
            self._begin = now if is_server_busy else message_since or now
            self._octets = octets if is_server_busy else 0
            return None
        if now - self._begin <= window:
            return None
        lately = octets - self._octets
        self._begin, self._octets = now, octets
        return lately
