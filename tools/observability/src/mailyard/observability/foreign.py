"""Third-party metrics in dashboards and alerts: Prometheus, the client library, Kubernetes and KEDA."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """The exporter of a metric; all except Prometheus and the client library exist only in a cluster."""

    PROMETHEUS = "Prometheus"
    CLIENT = "the client library"
    KUBE_STATE_METRICS = "kube-state-metrics"
    KEDA = "KEDA"

    @property
    def needs_cluster(self) -> bool:
        """Whether a panel is empty where there is no Kubernetes."""
        return self in (Source.KUBE_STATE_METRICS, Source.KEDA)


@dataclass(frozen=True, slots=True)
class ForeignMetric:
    """A metric with the labels that are used; `namespaced`: its `namespace` is that of Mailyard."""

    name: str
    source: Source
    labels: tuple[str, ...] = ()
    namespaced: bool = True


_FOREIGN = (
    ForeignMetric("up", Source.PROMETHEUS),
    ForeignMetric("process_cpu_seconds_total", Source.CLIENT),
    ForeignMetric("process_resident_memory_bytes", Source.CLIENT),
    ForeignMetric("process_open_fds", Source.CLIENT),
    ForeignMetric("process_max_fds", Source.CLIENT),
    ForeignMetric(
        "kube_horizontalpodautoscaler_status_current_replicas",
        Source.KUBE_STATE_METRICS,
        ("horizontalpodautoscaler",),
    ),
    ForeignMetric(
        "kube_horizontalpodautoscaler_status_desired_replicas",
        Source.KUBE_STATE_METRICS,
        ("horizontalpodautoscaler",),
    ),
    ForeignMetric(
        "kube_horizontalpodautoscaler_spec_max_replicas",
        Source.KUBE_STATE_METRICS,
        ("horizontalpodautoscaler",),
    ),
    ForeignMetric(
        "kube_horizontalpodautoscaler_spec_min_replicas",
        Source.KUBE_STATE_METRICS,
        ("horizontalpodautoscaler",),
    ),
    ForeignMetric("kube_deployment_status_replicas_available", Source.KUBE_STATE_METRICS, ("deployment",)),
    ForeignMetric("kube_deployment_spec_replicas", Source.KUBE_STATE_METRICS, ("deployment",)),
    ForeignMetric(
        "kube_pod_container_status_restarts_total", Source.KUBE_STATE_METRICS, ("pod", "container")
    ),
    # KEDA's operator exports all namespaces: Prometheus renames its `namespace` unless honorLabels is set.
    ForeignMetric(
        "keda_scaler_metrics_value", Source.KEDA, ("scaledObject", "scaler", "metric"), namespaced=False
    ),
    ForeignMetric(
        "keda_scaler_detail_errors_total",
        Source.KEDA,
        ("scaledObject", "scaler", "metric"),
        namespaced=False,
    ),
)

FOREIGN: dict[str, ForeignMetric] = {metric.name: metric for metric in _FOREIGN}
