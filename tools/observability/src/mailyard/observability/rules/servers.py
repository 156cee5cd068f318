"""Alerts on MongoDB and RabbitMQ, as the services see them."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

GROUP = Group(
    "mailyard-servers",
    (
        Alert(
            "MailyardStoreDisconnected",
            "(mailyard_store_connected_state == 0)"
            " * on (namespace, instance) group_left (service) mailyard_build_info",
            "1m",
            Severity.CRITICAL,
            "{{ $labels.service }} cannot reach a MongoDB primary",
            "{{ $labels.instance }} cannot store anything: mail is refused with 4xx or waits.",
        ),
        Alert(
            "MailyardStoreFailing",
            "sum by (namespace) (rate(mailyard_store_unavailable_total[5m])) > 0.1",
            "5m",
            Severity.WARNING,
            "{{ $value | humanize }} MongoDB operations fail per second",
            "MongoDB is unreachable at times, or cannot write: an election, a full disk, a broken network.",
        ),
        Alert(
            "MailyardStoreSlow",
            "histogram_quantile(0.95, sum by (namespace, write, le)"
            " (rate(mailyard_store_write_seconds_bucket[5m])))"
            f" > {limits.STORE_WRITE_SECONDS}",
            "10m",
            Severity.WARNING,
            "Batched writes ({{ $labels.write }}) take {{ $value | humanizeDuration }}",
            "MongoDB's disk or its secondaries are slow; acceptance and delivery wait for them.",
        ),
        Alert(
            "MailyardBrokerDisconnected",
            "min by (namespace, instance, purpose) (mailyard_broker_connected_state)"
            " * on (namespace, instance) group_left (service) mailyard_build_info == 0",
            "2m",
            Severity.CRITICAL,
            "{{ $labels.service }} has no connection to RabbitMQ ({{ $labels.purpose }})",
            "{{ $labels.instance }} neither receives nor publishes tickets. Accepted mail is safe in MongoDB.",
        ),
        Alert(
            "MailyardPublishFailing",
            "sum by (namespace, queue) (increase(mailyard_broker_publish_failures_total[5m])) > 0",
            "5m",
            Severity.WARNING,
            "RabbitMQ does not confirm tickets for {{ $labels.queue }}",
            "The queue is full or has no majority, or RabbitMQ is overloaded. The router publishes the rows again later.",
        ),
    ),
)
