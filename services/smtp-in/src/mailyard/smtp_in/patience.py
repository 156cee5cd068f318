"""How long a client is waited for: a decision on values."""

from dataclasses import dataclass
from enum import StrEnum


class Overdue(StrEnum):
    """What lasted too long; the label of the metric."""

    IDLE = "idle"  # silent between commands
    DATA = "data"  # silent within a message
    MESSAGE = "message"  # one message takes for ever
    CONNECTION = "connection"  # open for long, and no message is under way
    UNREAD = "unread"  # does not read what we say
    SLOW = "slow"  # sends a message, but too few octets of it
    MEMORY = "memory"  # holds memory while it is scarce


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits in seconds."""

    idle: float
    busy_idle: float
    data: float
    message: float
    connection: float
    data_rate: float = 0.0  # octets a second within a message, over `data` seconds; 0: any


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a connection is at; times are of one monotonic clock."""

    since: float  # when the client was last heard, or we began to write what it does not read
    opened: float
    message_since: float | None  # when the octets of the message under way began
    is_choked: bool  # our replies pile up
    is_ours: bool  # the client waits for us
    octets_lately: int | None = (
        None  # of the message in the last `data` seconds; None: it has not lasted so long
    )


def overdue(patience: Patience, waiting: Waiting, now: float, *, is_busy: bool) -> Overdue | None:
    """Say what has lasted too long. While the client waits for us, nothing does."""
    silence = now - waiting.since
    if waiting.is_choked:
        return Overdue.UNREAD if silence > patience.data else None
    if waiting.is_ours:
        return None
    if waiting.message_since is not None:
        if now - waiting.message_since > patience.message:
            return Overdue.MESSAGE
        if waiting.octets_lately is not None and waiting.octets_lately < patience.data_rate * patience.data:
            return Overdue.SLOW
        return Overdue.DATA if silence > patience.data else None
    if silence > (min(patience.busy_idle, patience.idle) if is_busy else patience.idle):
        return Overdue.IDLE
    return Overdue.CONNECTION if now - waiting.opened > patience.connection else None
