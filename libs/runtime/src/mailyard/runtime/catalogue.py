"""Declarations of metrics and events, and the registry that refuses a name declared twice.

A package declares its names in its module `telemetry` and registers them in its `__init__`, so that they are known as
soon as anything of the package is imported. `metrics` hands out the metrics; the reference pages, the lint, the
dashboards and the alerts read `collect()`.

Names of metrics: `mailyard_<service or thing>_<what>_<unit>[_total]`. Labels never hold addresses or ids.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final, Generic, Literal, TypeVar

import mailyard
from mailyard.runtime.renames import Renamed

Kind = Literal["counter", "gauge", "histogram"]

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `labels` in order, `buckets` for histograms only, `renamed` while the old name is exported too."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    renamed: Renamed | None = None


@dataclass(frozen=True, slots=True)
class EventType:
    """One event name of logs or timelines, and its meaning."""

    name: str
    meaning: str


class DuplicateName(ValueError):
    """A name of a metric or an event is declared twice."""


class UnknownName(LookupError):
    """A name of a metric or an event is declared by no imported package."""


D = TypeVar("D", Metric, EventType)


class Registry(Generic[D]):
    """Declarations of one kind by name, and the package that owns each name."""

    def __init__(self) -> None:
        self._declared: dict[str, D] = {}
        self._owners: dict[str, str] = {}

    def add(self, package: str, declared: Iterable[D]) -> None:
        """Register the declarations of a package. Raises DuplicateName."""
        for each in declared:
            if (owner := self._owners.get(each.name)) is not None:
                raise DuplicateName(f"{package} declares {each.name}, which {owner} has declared already")
            self._declared[each.name], self._owners[each.name] = each, package

    def get(self, name: str) -> D:
        """Return the declaration of a name. Raises UnknownName."""
        try:
            return self._declared[name]
        except KeyError:
            raise UnknownName(
                f"{name} is declared by no package: add it to the module `telemetry` of the package that uses it"
            ) from None

    def owner(self, name: str) -> str:
        """Return the package that has declared a name, for instance `mailyard.store`. Raises KeyError."""
        return self._owners[name]

    def by_name(self) -> Mapping[str, D]:
        """Return all declarations, in the order of their names."""
        return MappingProxyType(dict(sorted(self._declared.items())))


METRICS: Final[Registry[Metric]] = Registry()
EVENTS: Final[Registry[EventType]] = Registry()


def declare(package: str, *, metrics: Iterable[Metric] = (), events: Iterable[EventType] = ()) -> None:
    """Register the metrics and events of a package; `package` is its `__name__`. Raises DuplicateName."""
    METRICS.add(package, metrics)
    EVENTS.add(package, events)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All metrics and events of the installed packages, in the order of their names."""

    metrics: Mapping[str, Metric]
    events: Mapping[str, EventType]


def collect() -> Catalogue:
    """Import every installed package of Mailyard and return what they declare. For tools; services need it not."""
    for module in pkgutil.iter_modules(mailyard.__path__):
        import_module(f"mailyard.{module.name}")
    return Catalogue(METRICS.by_name(), EVENTS.by_name())
