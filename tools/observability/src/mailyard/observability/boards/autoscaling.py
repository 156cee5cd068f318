"""Replicas, what they are scaled on, and whether the scalers work."""

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
    description="Replicas of each service beside the numbers that they are scaled on.",
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
                    "Current and wanted replicas",
                    "Of each autoscaler.",
                    (
                        Query(_replicas("status_current_replicas"), "{{horizontalpodautoscaler}}"),
                        Query(_replicas("status_desired_replicas"), "{{horizontalpodautoscaler}} wanted"),
                    ),
                ),
                Panel(
                    "Share of the maximum",
                    "Current replicas of what is allowed; at 1 more load finds no more replicas.",
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
                    "Pods that serve, and pods that should, by deployment.",
                    (
                        Query(
                            "max by (deployment)"
                            f" (kube_deployment_status_replicas_available{{{_DEPLOYMENTS}}})",
                            "{{deployment}}",
                        ),
                        Query(
                            f"max by (deployment) (kube_deployment_spec_replicas{{{_DEPLOYMENTS}}})",
                            "{{deployment}} wanted",
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
            "What is scaled on",
            (
                Panel(
                    "Queue depth",
                    "Mails; router, filter, delivery and relay scale on mails for each replica.",
                    (Query(shared('mailyard_queue_depth_mails{queue!="dead"}', "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Queue age",
                    "Seconds that the oldest mail has waited: the second scale.",
                    (Query(highest('mailyard_queue_oldest_seconds{queue!="dead"}', "queue"), "{{queue}}"),),
                    unit=Unit.SECONDS,
                    steps=warn_from(limits.QUEUE_AGE_SECONDS),
                ),
                Panel(
                    "Connections",
                    "Open connections; smtp-in and imap scale on connections for each replica.",
                    (
                        Query(total("mailyard_smtp_in_open_connections"), "smtp-in"),
                        Query(total("mailyard_imap_open_connections"), "imap"),
                    ),
                ),
                Panel(
                    "CPU of a replica",
                    "Cores, mean of a service's instances.",
                    (
                        Query(
                            f"avg by (service) ({by_service('rate(process_cpu_seconds_total[$__rate_interval])')})",
                            "{{service}}",
                        ),
                    ),
                    unit=Unit.CORES,
                ),
                Panel(
                    "What KEDA reads",
                    "The value of each trigger, as KEDA saw it.",
                    (
                        Query(
                            f"max by (scaledObject, metric) (keda_scaler_metrics_value{{{_SCALED}}})",
                            "{{scaledObject}} {{metric}}",
                        ),
                    ),
                ),
                Panel(
                    "KEDA's errors",
                    "Failed readings of triggers.",
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
