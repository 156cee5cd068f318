"""The client's state machine as a table (RFC 5321 section 4.3, RFC 2033, RFC 3207, RFC 4954)."""

from enum import Enum, auto
from typing import Final

from mailyard.smtp.misuse import MisuseError


class State(Enum):
    """The state of a session."""

    GREETING = auto()  # connected, the server speaks first
    HELLO = auto()  # EHLO, LHLO or HELO sent
    STARTTLS = auto()  # STARTTLS sent
    HANDSHAKE = auto()  # the shell negotiates TLS
    AUTH = auto()
    READY = auto()  # a transaction may begin
    ENVELOPE = auto()  # from MAIL to the reply to DATA
    BODY = auto()  # the message is being sent
    ENDING = auto()  # sent, the final replies are awaited
    QUITTING = auto()
    CLOSED = auto()


class Input(Enum):
    """The inputs that change the state."""

    GREETED = auto()
    UPGRADE = auto()
    UPGRADE_AGREED = auto()
    UPGRADE_DECLINED = auto()
    SECURED = auto()
    AUTHENTICATE = auto()
    OPENED = auto()
    BEGIN = auto()
    BODY_WANTED = auto()
    BODY_ENDED = auto()
    DONE = auto()
    QUIT = auto()
    LOST = auto()


class Step(Enum):
    """What a reply answers. It also names where a session failed, and which timeout applies."""

    CONNECT = "connect"  # before the session: only the shell knows it
    GREETING = "greeting"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # also a BDAT that is not the last
    END = "end"  # the final dot or the last BDAT
    RSET = "rset"
    QUIT = "quit"


TRANSITIONS: Final = {
    (State.GREETING, Input.GREETED): State.HELLO,
    (State.HELLO, Input.UPGRADE): State.STARTTLS,
    (State.HELLO, Input.AUTHENTICATE): State.AUTH,
    (State.HELLO, Input.OPENED): State.READY,
    (State.STARTTLS, Input.UPGRADE_AGREED): State.HANDSHAKE,
    (State.STARTTLS, Input.UPGRADE_DECLINED): State.HELLO,
    (State.HANDSHAKE, Input.SECURED): State.HELLO,
    (State.AUTH, Input.OPENED): State.READY,
    (State.READY, Input.BEGIN): State.ENVELOPE,
    (State.ENVELOPE, Input.BODY_WANTED): State.BODY,
    (State.ENVELOPE, Input.DONE): State.READY,
    (State.BODY, Input.BODY_ENDED): State.ENDING,
    (State.BODY, Input.DONE): State.READY,
    (State.ENDING, Input.DONE): State.READY,
    (State.READY, Input.QUIT): State.QUITTING,
    **{(state, Input.LOST): State.CLOSED for state in State},
}


def next_state(state: State, moved_by: Input) -> State:
    """Return the state that follows; raises MisuseError where the table has none."""
    following = TRANSITIONS.get((state, moved_by))
    if following is None:
        raise MisuseError(f"{moved_by.name} in state {state.name}")
    return following
