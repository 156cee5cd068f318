"""The client's state machine as a table (RFC 5321 section 4.3, RFC 2033, RFC 3207, RFC 4954)."""

from enum import Enum, auto
from typing import Final


class ClientState(Enum):
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


class ClientInput(Enum):
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
    (ClientState.GREETING, ClientInput.GREETED): ClientState.HELLO,
    (ClientState.HELLO, ClientInput.UPGRADE): ClientState.STARTTLS,
    (ClientState.HELLO, ClientInput.AUTHENTICATE): ClientState.AUTH,
    (ClientState.HELLO, ClientInput.OPENED): ClientState.READY,
    (ClientState.STARTTLS, ClientInput.UPGRADE_AGREED): ClientState.HANDSHAKE,
    (ClientState.STARTTLS, ClientInput.UPGRADE_DECLINED): ClientState.HELLO,
    (ClientState.HANDSHAKE, ClientInput.SECURED): ClientState.HELLO,
    (ClientState.AUTH, ClientInput.OPENED): ClientState.READY,
    (ClientState.READY, ClientInput.BEGIN): ClientState.ENVELOPE,
    (ClientState.ENVELOPE, ClientInput.BODY_WANTED): ClientState.BODY,
    (ClientState.ENVELOPE, ClientInput.DONE): ClientState.READY,
    (ClientState.BODY, ClientInput.BODY_ENDED): ClientState.ENDING,
    (ClientState.BODY, ClientInput.DONE): ClientState.READY,
    (ClientState.ENDING, ClientInput.DONE): ClientState.READY,
    (ClientState.READY, ClientInput.QUIT): ClientState.QUITTING,
    **{(state, ClientInput.LOST): ClientState.CLOSED for state in ClientState},
}
