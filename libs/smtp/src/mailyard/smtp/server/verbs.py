"""The commands, and which replies refuse them in which state (RFC 5321 section 4.1.4)."""

from collections.abc import Mapping
from enum import StrEnum

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.replies import (
    DATA_AFTER_BDAT,
    HELLO_FIRST,
    MAIL_FIRST,
    NESTED,
    NO_RECIPIENTS,
    UNKNOWN_COMMAND,
)
from mailyard.smtp.server.states import ServerState


class Verb(StrEnum):  # StrEnum, because its hash is that of str: each command looks up a verb
    """The commands; the value is the word on the wire."""

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

_UNKNOWN: Mapping[Verb, Reply] = {Verb.UNKNOWN: UNKNOWN_COMMAND}
_IN_TRANSACTION: Mapping[Verb, Reply] = {
    **_UNKNOWN,
    Verb.STARTTLS: NESTED,
    Verb.AUTH: NESTED,
    Verb.MAIL: NESTED,
}

REFUSALS: Mapping[ServerState, Mapping[Verb, Reply]] = {
    ServerState.START: {
        **_UNKNOWN,
        **dict.fromkeys((Verb.STARTTLS, Verb.AUTH, Verb.MAIL, Verb.RCPT, Verb.DATA), HELLO_FIRST),
    },
    ServerState.READY: {**_UNKNOWN, Verb.RCPT: MAIL_FIRST, Verb.DATA: MAIL_FIRST},
    ServerState.MAIL: {**_IN_TRANSACTION, Verb.DATA: NO_RECIPIENTS},
    ServerState.RCPT: _IN_TRANSACTION,
    ServerState.BDAT: {**_IN_TRANSACTION, Verb.RCPT: NESTED, Verb.DATA: DATA_AFTER_BDAT},
}
"""The refusal of a command in a state. A command that is not here is carried out by its function."""

CHUNK_REFUSALS: Mapping[ServerState, Reply] = {
    ServerState.START: HELLO_FIRST,
    ServerState.READY: MAIL_FIRST,
    ServerState.MAIL: NO_RECIPIENTS,
}
"""The refusal of BDAT in a state. It is given after the chunk, whose octets come all the same (RFC 3030 section 2)."""
