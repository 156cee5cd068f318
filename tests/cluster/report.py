"""The results of the checks: a line for each while they run, and all of them as JSON at the end."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

Figures = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Result:
    """One check's outcome; `error` is empty when it passed, `skipped` unless it could not begin."""

    check: str
    seconds: float
    figures: Figures
    error: str = ""
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether it found nothing else than what must be."""
        return not self.error

    @property
    def outcome(self) -> str:
        """In a word."""
        if self.skipped:
            return "skipped"
        return "passed" if self.passed else "FAILED"

    def line(self) -> str:
        """For the person who waits; what went wrong follows below it."""
        shown = self.skipped or "; ".join(f"{name}: {value}" for name, value in self.figures.items())
        head = f"{self.check:<12} {self.outcome:<7}{self.seconds:7.1f} s  {shown}"
        return head.rstrip() + "".join(f"\n    {line}" for line in self.error.splitlines())


@dataclass(slots=True)
class Report:
    """All results of a run."""

    cluster: str
    image: str
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    results: list[Result] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(result.passed for result in self.results)

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        checks = [{**asdict(result), "outcome": result.outcome} for result in self.results]
        whole = {
            "cluster": self.cluster,
            "image": self.image,
            "started": self.started,
            "passed": self.passed,
            "checks": checks,
        }
        path.write_text(json.dumps(whole, indent=2) + "\n")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Until now."""
        return round(time.monotonic() - self._begun, 1)
