"""Replicas, the triggers they scale on, and errors of the scalers."""

from mailyard.observability import limits
from mailyard.observability.boards.expressions import by_service, highest, shared, total
from mailyard.observability.dashboard import Board, Panel, Query, Row, Unit, bad_from, warn_from
from mailyard.observability.rules.scaling import OURS

_DEPLOYMENTS = 'deployment=~".*mailyard.*"'
_SCALED = 'scaledObject=~".*mailyard.*"'


def _replicas(what: str) -> str:
    return f"max by (horizontalpodautoscaler) (kube_horizontalpodautoscaler_{what}{{{OURS}}})"


BOARD = Board(
    uid="mailyard-autoscaling",
    title="Autoscaling",
    description="Replicas of each service, and the values of their triggers.",
    rows=(
        Row(
            "Replicas",
            (
                Panel(
                    "Instances",
                    "Instances that Prometheus scrapes, by service.",
                    (Query("sum by (service) (mailyard:service_instances:count)", "{{service}}"),),
                    stacked=True,
                ),
                Panel(
                    "Current and desired replicas",
                    "Replicas of each autoscaler.",
                    (
                        Query(_replicas("status_current_replicas"), "{{horizontalpodautoscaler}}"),
                        Query(_replicas("status_desired_replicas"), "{{horizontalpodautoscaler}} desired"),
                    ),
                ),
                Panel(
                    "Share of the maximum",
                    "Current replicas divided by the maximum; at 1, more load gets no more replicas.",
                    (
                        Query(
                            f"{_replicas('status_current_replicas')} / {_replicas('spec_max_replicas')}",
                            "{{horizontalpodautoscaler}}",
                        ),
                    ),
                    unit=Unit.SHARE,
                    steps=bad_from(1),
                ),
                Panel(
                    "Available replicas",
                    "Available and desired pods, by deployment.",
                    (
                        Query(
                            "max by (deployment)"
                            f" (kube_deployment_status_replicas_available{{{_DEPLOYMENTS}}})",
                            "{{deployment}}",
                        ),
                        Query(
                            f"max by (deployment) (kube_deployment_spec_replicas{{{_DEPLOYMENTS}}})",
                            "{{deployment}} desired",
                        ),
                    ),
                ),
                Panel(
                    "Restarts",
                    "Container restarts in an hour.",
                    (
                        Query(
                            "sum by (container) (increase(kube_pod_container_status_restarts_total"
                            '{pod=~".*mailyard.*"}[1h]))',
                            "{{container}}",
                        ),
                    ),
                    steps=warn_from(1),
                ),
            ),
        ),
        Row(
            "Triggers",
            (
                Panel(
                    "Queue depth",
                    "Mails in each queue; router, filter, delivery and relay scale on mails per replica.",
                    (Query(shared('mailyard_queue_depth_mails{queue!="dead"}', "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Queue age",
                    "Wait of the oldest mail in each queue: the second trigger.",
                    (Query(highest('mailyard_queue_oldest_seconds{queue!="dead"}', "queue"), "{{queue}}"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.QUEUE_AGE_SECONDS),
                ),
                Panel(
                    "Connections",
                    "Open connections; smtp-in and imap scale on connections per replica.",
                    (
                        Query(total("mailyard_smtp_in_open_connections"), "smtp-in"),
                        Query(total("mailyard_imap_open_connections"), "imap"),
                    ),
                ),
                Panel(
                    "CPU per replica",
                    "CPU cores, mean over the instances of a service.",
                    (
                        Query(
                            f"avg by (service) ({by_service('rate(process_cpu_seconds_total[$__rate_interval])')})",
                            "{{service}}",
                        ),
                    ),
                    unit=Unit.CORES,
                ),
                Panel(
                    "Trigger values in KEDA",
                    "The value of each trigger that KEDA read.",
                    (
                        Query(
                            f"max by (scaledObject, metric) (keda_scaler_metrics_value{{{_SCALED}}})",
                            "{{scaledObject}} {{metric}}",
                        ),
                    ),
                ),
                Panel(
                    "KEDA errors",
                    "Failed reads of triggers.",
                    (
                        Query(
                            "sum by (scaledObject)"
                            f" (rate(keda_scaler_detail_errors_total{{{_SCALED}}}[$__rate_interval]))",
                            "{{scaledObject}}",
                        ),
                    ),
                    unit=Unit.PER_SECOND,
                ),
            ),
        ),
    ),
)
