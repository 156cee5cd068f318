"""Alerts on the autoscalers, from kube-state-metrics and KEDA."""

from mailyard.observability.rule import Alert, Group, Severity

OURS = 'horizontalpodautoscaler=~".*mailyard.*"'

GROUP = Group(
    "mailyard-scaling",
    (
        Alert(
            "MailyardScalerAtMax",
            "max by (namespace, horizontalpodautoscaler)"
            f" (kube_horizontalpodautoscaler_status_current_replicas{{{OURS}}})"
            " >= max by (namespace, horizontalpodautoscaler)"
            f" (kube_horizontalpodautoscaler_spec_max_replicas{{{OURS}}})"
            " > max by (namespace, horizontalpodautoscaler)"
            f" (kube_horizontalpodautoscaler_spec_min_replicas{{{OURS}}})",
            "15m",
            Severity.WARNING,
            "{{ $labels.horizontalpodautoscaler }} is at its maximum of {{ $value }} replicas",
            "More load gets no more replicas; queues will grow.",
        ),
        Alert(
            "MailyardScalerFailing",
            "sum by (scaledObject) (increase("
            'keda_scaler_detail_errors_total{scaledObject=~".*mailyard.*"}[10m])) > 3',
            "5m",
            Severity.WARNING,
            "KEDA cannot read the triggers of {{ $labels.scaledObject }}",
            "{{ $value | humanize }} errors in ten minutes; replicas stay as they are, or fall back.",
        ),
    ),
)
