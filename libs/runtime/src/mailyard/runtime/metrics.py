"""Prometheus metrics by their declared names; a name that no package declares is refused."""

import functools
from collections.abc import Iterator
from typing import TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mailyard.runtime.catalogue import METRICS, Kind, Metric

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and no dashboard reads them

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@functools.cache
def counter(name: str) -> Counter:
    """Return the counter of this name, the same object each time. Raises UnknownName, TypeError for another kind."""
    metric = _metric(name, "counter")
    return _with_old_name(metric, Counter(metric.name, metric.help, metric.labels))


@functools.cache
def gauge(name: str) -> Gauge:
    """Return the gauge of this name, the same object each time. Raises UnknownName, TypeError for another kind."""
    metric = _metric(name, "gauge")
    return _with_old_name(metric, Gauge(metric.name, metric.help, metric.labels))


@functools.cache
def histogram(name: str) -> Histogram:
    """Return the histogram of this name, the same object each time. Raises UnknownName, TypeError for another kind."""
    metric = _metric(name, "histogram")
    return _with_old_name(metric, Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets))


def exposition() -> bytes:
    """Return all metrics of the process in Prometheus' text format."""
    return generate_latest(REGISTRY)


class _OldName(Collector):
    """Exports the values of a metric under the name that it had before; costs nothing until a scrape."""

    def __init__(self, metric: Collector, new: str, old: str) -> None:
        self._metric = metric
        self._new = new
        self._old = old.removesuffix("_total")

    def collect(self) -> Iterator[Family]:
        """Return the metric's samples, renamed."""
        for family in self._metric.collect():
            renamed = Family(self._old, f"{family.documentation} Renamed to {self._new}.", family.type)
            for sample in family.samples:
                renamed.samples.append(
                    sample._replace(name=self._old + sample.name.removeprefix(family.name))
                )
            yield renamed


M = TypeVar("M", bound=Collector)


def _with_old_name(declared: Metric, metric: M) -> M:
    if declared.renamed is not None:
        REGISTRY.register(_OldName(metric, declared.name, declared.renamed.old))
    return metric


def _metric(name: str, kind: Kind) -> Metric:
    metric = METRICS.get(name)
    if metric.kind != kind:
        raise TypeError(f"{name} is declared as a {metric.kind}, not as a {kind}")
    return metric
