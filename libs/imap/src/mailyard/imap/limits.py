"""Limits of what a client may send; all readers and parsers of this package take their bounds here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """Limits of one connection, in octets and counts."""

    line: int = 65_536  # text of one line, its CRLF included
    literal: int = 65_536  # one literal that is an argument (a name, a password, a search string)
    command: int = 262_144  # text and literals of one command, an appended message aside
    message: int = 52_428_800  # the message of one APPEND
    plus: int | None = (
        None  # a non-synchronising literal (RFC 7888: LITERAL- means 4,096); None: as any other
    )
    drain: int = 134_217_728  # a refused literal that is read and dropped; a larger one ends the connection
    answer: int = 16_384  # a line that answers a continuation request
    levels: int = 100  # numbers of one part, as in BODY[1.2.3]
    keys: int = 4_000  # search keys in one command, however they nest
    texts: int = 100  # different texts that one SEARCH looks for in bodies
    ranges: int = 10_000  # elements of one sequence set
    fetch_items: int = 64  # items of one FETCH
    flags: int = 100  # flags of one APPEND or STORE, and keywords of one message
    keywords: int = 1_000  # keywords of one mailbox
    items: int = 1_000  # elements of any other list, such as field names


# An ID command before login may have 30 fields of 30 and 1,024 octets (RFC 2971, section 3.3).
BEFORE_LOGIN = ImapLimits(line=40_960, literal=4_096, command=40_960, drain=65_536)
