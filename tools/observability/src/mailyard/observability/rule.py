"""Recording rules and alerts, independent of any file format."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

RUNBOOKS: Final = "docs/runbooks"


class Severity(StrEnum):
    """Critical: mail is lost, refused or does not move; act now. Warning: act in working hours."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that is computed once for many readers. Names are level:what:operation; `labels` remain."""

    name: str
    expr: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that a person must look at. The texts may use Prometheus' templates."""

    name: str
    expr: str
    lasts: str  # how long the condition must hold
    severity: Severity
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """Path of its runbook in the source; the chart puts the address of a copy before it."""
        return f"{RUNBOOKS}/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: str = "30s"
