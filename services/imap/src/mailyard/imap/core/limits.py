"""How much a client may send before it is refused: every reader and parser of the core takes its bounds here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets and counts that one connection may use."""

    line: int = 65_536  # text of one line, its CRLF included
    literal: int = 65_536  # one literal that is an argument (a name, a password, a search string)
    command: int = 262_144  # text and literals of one command, an appended message aside
    message: int = 52_428_800  # the message of one APPEND
    plus: int | None = (
        None  # largest non-synchronising literal (RFC 7888: LITERAL- means 4,096); None: as any other
    )
    drain: int = 134_217_728  # a refused literal is read away up to here; a larger one ends the connection
    answer: int = 16_384  # a line that answers a continuation request
    nesting: int = 32  # parentheses, NOT and OR inside each other
    keys: int = 1_000  # search keys in one command
    ranges: int = 10_000  # elements of one sequence set
    items: int = 1_000  # elements of any other list: flags, field names, FETCH items


BEFORE_LOGIN = Limits(line=8_192, literal=4_096, command=16_384, drain=65_536)
