"""The server's state machine as a table (RFC 5321 section 4.1.4, RFC 3207, RFC 4954, RFC 3030)."""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

# IntEnum, because its hash is that of int: each command looks up a state.


class ServerState(IntEnum):
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


_COMMAND_STATES: Final = (
    ServerState.START,
    ServerState.READY,
    ServerState.MAIL,
    ServerState.RCPT,
    ServerState.BDAT,
)

TRANSITIONS: Final[Mapping[tuple[ServerState, Move], ServerState]] = {
    **{(state, Move.HELLO): ServerState.READY for state in _COMMAND_STATES},
    (ServerState.READY, Move.TLS_AGREED): ServerState.TLS,
    (ServerState.TLS, Move.TLS_ESTABLISHED): ServerState.START,
    (ServerState.READY, Move.CHALLENGE): ServerState.AUTH,
    (ServerState.AUTH, Move.CHALLENGE): ServerState.AUTH,
    (ServerState.READY, Move.AUTH_ENDED): ServerState.READY,
    (ServerState.AUTH, Move.AUTH_ENDED): ServerState.READY,
    (ServerState.READY, Move.SENDER_ACCEPTED): ServerState.MAIL,
    (ServerState.MAIL, Move.RECIPIENT_ACCEPTED): ServerState.RCPT,
    (ServerState.RCPT, Move.RECIPIENT_ACCEPTED): ServerState.RCPT,
    (ServerState.RCPT, Move.DATA_BEGUN): ServerState.DATA,
    (ServerState.RCPT, Move.CHUNK_BEGUN): ServerState.BDAT,
    (ServerState.BDAT, Move.CHUNK_BEGUN): ServerState.BDAT,
    (ServerState.START, Move.TRANSACTION_ENDED): ServerState.START,  # RSET, or a BDAT chunk that was refused
    **{
        (state, Move.TRANSACTION_ENDED): ServerState.READY
        for state in (
            ServerState.READY,
            ServerState.MAIL,
            ServerState.RCPT,
            ServerState.BDAT,
            ServerState.DATA,
        )
    },
    **{(state, Move.CLOSE): ServerState.CLOSED for state in ServerState},
}
