"""The model of a dashboard, independent of Grafana's format: queries in panels, panels in rows."""

from dataclasses import dataclass
from enum import StrEnum

WIDTH = 24  # columns of Grafana's grid


class Kind(StrEnum):
    """How a panel shows its queries; the values are Grafana's panel types."""

    TIMES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"


class Unit(StrEnum):
    """The unit of a panel; the values are Grafana's unit ids."""

    COUNT = "short"
    SECONDS = "s"
    PER_SECOND = "cps"
    OCTETS = "bytes"
    OCTETS_PER_SECOND = "Bps"
    SHARE = "percentunit"
    YES_NO = "bool_yes_no"
    CORES = "none"


class Colour(StrEnum):
    """The colour of a threshold."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL without a namespace, and the name of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on, this colour."""

    value: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `steps` colour it, from the limits of the alerts; below the first one all is well."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    kind: Kind = Kind.TIMES
    width: int = 8
    height: int = 8
    steps: tuple[Step, ...] = ()
    stacked: bool = False
    below: Colour = Colour.GOOD
    signed: bool = False  # its values may lie below 0


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `uid` never changes, so that links and bookmarks stay right."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def warn_from(value: float) -> tuple[Step, ...]:
    """Orange from `value` on."""
    return (Step(value, Colour.WARNING),)


def bad_from(value: float, warning: float | None = None) -> tuple[Step, ...]:
    """Red from `value` on, and orange from `warning` on if there is one."""
    bad = Step(value, Colour.BAD)
    return (bad,) if warning is None else (Step(warning, Colour.WARNING), bad)
