"""States and commands: what may be said when. RFC 5321 section 4.1.4, RFC 3207, RFC 4954, RFC 3030, RFC 2033."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum, auto

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.replies import (
    DATA_AFTER_BDAT,
    HELLO_FIRST,
    MAIL_FIRST,
    NESTED,
    NO_RECIPIENTS,
    UNKNOWN_COMMAND,
)

# IntEnum and StrEnum, for their hashes are those of int and str: each command looks up three of them.


class State(IntEnum):
    """Where a session stands. In the first five it reads commands."""

    START = auto()  # nobody has said hello (again after TLS: RFC 3207 section 4.2)
    READY = auto()  # between messages
    MAIL = auto()  # a sender is known
    RCPT = auto()  # and at least one recipient
    BDAT = auto()  # and a part of the message
    DATA = auto()  # reading lines until the final dot
    CHUNK = auto()  # reading the octets of a BDAT chunk
    AUTH = auto()  # reading a response
    TLS = auto()  # the shell is at the handshake
    CLOSED = auto()


class Verb(StrEnum):
    """The commands; the value is what the client writes."""

    HELO = "HELO"
    EHLO = "EHLO"
    LHLO = "LHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"
    RSET = "RSET"
    NOOP = "NOOP"
    VRFY = "VRFY"
    EXPN = "EXPN"
    HELP = "HELP"
    QUIT = "QUIT"
    UNKNOWN = "?"


VERBS: Mapping[str, Verb] = {verb: verb for verb in Verb if verb is not Verb.UNKNOWN}

_DO__ = None  # the command's own function decides
_HELO, _MAIL, _RCPT = HELLO_FIRST, MAIL_FIRST, NO_RECIPIENTS
_NEST, _BDAT, _WHAT = NESTED, DATA_AFTER_BDAT, UNKNOWN_COMMAND

_STATES = (State.START, State.READY, State.MAIL, State.RCPT, State.BDAT)
# fmt: off
_ROWS: Mapping[Verb, tuple[Reply | None, ...]] = {
    #               START  READY  MAIL   RCPT   BDAT
    Verb.HELO:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.EHLO:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.LHLO:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.STARTTLS:  (_HELO, _DO__, _NEST, _NEST, _NEST),
    Verb.AUTH:      (_HELO, _DO__, _NEST, _NEST, _NEST),
    Verb.MAIL:      (_HELO, _DO__, _NEST, _NEST, _NEST),
    Verb.RCPT:      (_HELO, _MAIL, _DO__, _DO__, _NEST),
    Verb.DATA:      (_HELO, _MAIL, _RCPT, _DO__, _BDAT),
    Verb.BDAT:      (_DO__, _DO__, _DO__, _DO__, _DO__),  # its octets come in any state (RFC 3030 section 2)
    Verb.RSET:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.NOOP:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.VRFY:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.EXPN:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.HELP:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.QUIT:      (_DO__, _DO__, _DO__, _DO__, _DO__),
    Verb.UNKNOWN:   (_WHAT, _WHAT, _WHAT, _WHAT, _WHAT),
}
# fmt: on

REFUSALS: Mapping[State, Mapping[Verb, Reply]] = {
    state: {verb: refusal for verb, row in _ROWS.items() if (refusal := row[column]) is not None}
    for column, state in enumerate(_STATES)
}
"""What each state refuses of each command; what is not here is done."""
