"""Findings of checks: level, text and instruction."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The level of a finding."""

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
    """Make a finding without a problem."""
    return Finding(Level.OK, what)


def warning(what: str, instruction: str) -> Finding:
    """Make a finding of a problem that does not stop mail."""
    return Finding(Level.WARNING, what, instruction)


def error(what: str, instruction: str) -> Finding:
    """Make a finding of a failure."""
    return Finding(Level.ERROR, what, instruction)


def unknown(what: str, instruction: str) -> Finding:
    """Make a finding for a check that is impossible from here."""
    return Finding(Level.UNKNOWN, what, instruction)
