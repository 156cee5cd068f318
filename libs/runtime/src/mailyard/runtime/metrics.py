"""Prometheus metrics by their names in the catalogue; a name that is not there is refused."""

import functools

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from mailyard.runtime.catalogue import METRICS, Kind, Metric

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and no dashboard reads them

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@functools.cache
def counter(name: str) -> Counter:
    """Return the counter of this name, the same object each time."""
    metric = _metric(name, "counter")
    return Counter(metric.name, metric.help, metric.labels)


@functools.cache
def gauge(name: str) -> Gauge:
    """Return the gauge of this name, the same object each time."""
    metric = _metric(name, "gauge")
    return Gauge(metric.name, metric.help, metric.labels)


@functools.cache
def histogram(name: str) -> Histogram:
    """Return the histogram of this name, the same object each time."""
    metric = _metric(name, "histogram")
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets)


def exposition() -> bytes:
    """Return all metrics of the process in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _metric(name: str, kind: Kind) -> Metric:
    metric = METRICS.get(name)
    if metric is None:
        raise KeyError(f"{name} is not in mailyard.runtime.catalogue: add it there first")
    if metric.kind != kind:
        raise TypeError(f"{name} is a {metric.kind} in mailyard.runtime.catalogue, not a {kind}")
    return metric
