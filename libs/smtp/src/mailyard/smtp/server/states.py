"""The server's state machine as a table (RFC 5321 section 4.1.4, RFC 3207, RFC 4954, RFC 3030)."""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

from mailyard.smtp.misuse import MisuseError

# IntEnum, because its hash is that of int: each command looks up a state.


class State(IntEnum):
    """Where a session stands. In the first five it reads commands, or the octets of a BDAT chunk."""

    START = auto()  # before EHLO, LHLO or HELO; again after TLS (RFC 3207 section 4.2)
    READY = auto()  # between messages
    MAIL = auto()  # a sender was accepted
    RCPT = auto()  # and at least one recipient
    BDAT = auto()  # and a BDAT chunk has begun
    DATA = auto()  # reading lines until the final dot
    AUTH = auto()  # reading a response to a challenge
    TLS = auto()  # the shell negotiates TLS
    CLOSED = auto()


class Move(IntEnum):
    """What changes the state."""

    HELLO = auto()
    TLS_AGREED = auto()
    TLS_ESTABLISHED = auto()
    CHALLENGE = auto()
    AUTH_ENDED = auto()
    SENDER_ACCEPTED = auto()
    RECIPIENT_ACCEPTED = auto()
    DATA_BEGUN = auto()
    CHUNK_BEGUN = auto()
    TRANSACTION_ENDED = auto()
    CLOSE = auto()


_COMMAND_STATES: Final = (State.START, State.READY, State.MAIL, State.RCPT, State.BDAT)

TRANSITIONS: Final[Mapping[tuple[State, Move], State]] = {
    **{(state, Move.HELLO): State.READY for state in _COMMAND_STATES},
    (State.READY, Move.TLS_AGREED): State.TLS,
    (State.TLS, Move.TLS_ESTABLISHED): State.START,
    (State.READY, Move.CHALLENGE): State.AUTH,
    (State.AUTH, Move.CHALLENGE): State.AUTH,
    (State.READY, Move.AUTH_ENDED): State.READY,
    (State.AUTH, Move.AUTH_ENDED): State.READY,
    (State.READY, Move.SENDER_ACCEPTED): State.MAIL,
    (State.MAIL, Move.RECIPIENT_ACCEPTED): State.RCPT,
    (State.RCPT, Move.RECIPIENT_ACCEPTED): State.RCPT,
    (State.RCPT, Move.DATA_BEGUN): State.DATA,
    (State.RCPT, Move.CHUNK_BEGUN): State.BDAT,
    (State.BDAT, Move.CHUNK_BEGUN): State.BDAT,
    (State.START, Move.TRANSACTION_ENDED): State.START,  # RSET, or a BDAT chunk that was refused
    **{
        (state, Move.TRANSACTION_ENDED): State.READY
        for state in (State.READY, State.MAIL, State.RCPT, State.BDAT, State.DATA)
    },
    **{(state, Move.CLOSE): State.CLOSED for state in State},
}


def next_state(state: State, move: Move) -> State:
    """Return the state that follows; raises MisuseError where the table has none."""
    following = TRANSITIONS.get((state, move))
    if following is None:
        raise MisuseError(f"{move.name} in state {state.name}")
    return following
