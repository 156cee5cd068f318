"""What a check finds: how it stands, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    what: str
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A finding under the area that it belongs to."""

    area: str
    finding: Finding


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, what)


def warning(what: str, instruction: str) -> Finding:
    """It works, but not as it should."""
    return Finding(Level.WARNING, what, instruction)


def error(what: str, instruction: str) -> Finding:
    """It does not work."""
    return Finding(Level.ERROR, what, instruction)


def unknown(what: str, instruction: str) -> Finding:
    """Nobody can tell from here."""
    return Finding(Level.UNKNOWN, what, instruction)
