"""The states of a connection as a table: from the accepted socket to the end."""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final


# IntEnum, because its hash is that of int: each piece of input looks up a state.
class ConnectionState(IntEnum):
    """Where a connection stands. Flow control is separate: whether either side pauses does not change the state."""

    NEW = auto()  # accepted, not counted
    ADMITTED = auto()  # counted; a TLS handshake comes first
    OPEN = auto()
    DRAINING = auto()  # the service stops: closes as soon as no work is in hand
    REVOKED = auto()  # the login no longer counts: closes after the answer that is due
    CLOSING = auto()  # the last octets are written; input is dropped
    CLOSED = auto()  # no longer counted


FOLLOWING: Final[Mapping[ConnectionState, frozenset[ConnectionState]]] = {
    ConnectionState.NEW: frozenset({ConnectionState.ADMITTED, ConnectionState.CLOSED}),
    ConnectionState.ADMITTED: frozenset({ConnectionState.OPEN, ConnectionState.CLOSED}),
    ConnectionState.OPEN: frozenset(
        {
            ConnectionState.DRAINING,
            ConnectionState.REVOKED,
            ConnectionState.CLOSING,
            ConnectionState.CLOSED,
        }
    ),
    ConnectionState.DRAINING: frozenset(
        {ConnectionState.REVOKED, ConnectionState.CLOSING, ConnectionState.CLOSED}
    ),
    ConnectionState.REVOKED: frozenset({ConnectionState.CLOSING, ConnectionState.CLOSED}),
    ConnectionState.CLOSING: frozenset({ConnectionState.CLOSED}),
    ConnectionState.CLOSED: frozenset(),
}
"""The states that may follow each state."""

OPEN_STATES: Final = frozenset({ConnectionState.OPEN, ConnectionState.DRAINING, ConnectionState.REVOKED})
"""The states in which input is read and answered."""


class InvalidTransition(Exception):
    """A connection was asked to enter a state that does not follow its own: a fault of the program."""


def enter(state: ConnectionState, following: ConnectionState) -> ConnectionState:
    """Return the following state; raises InvalidTransition where the table has no such step."""
    if following not in FOLLOWING[state]:
        raise InvalidTransition(f"{following.name} does not follow {state.name}")
    return following
