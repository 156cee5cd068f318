"""MongoDB and RabbitMQ as the services see them."""

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
            "{{ $labels.service }} reaches no MongoDB primary",
            "{{ $labels.instance }} can store nothing: mail is refused with 4xx or waits.",
        ),
        Alert(
            "MailyardStoreFailing",
            "sum by (namespace) (rate(mailyard_store_unavailable_total[5m])) > 0.1",
            "5m",
            Severity.WARNING,
            "{{ $value | humanize }} store operations fail each second",
            "MongoDB is away now and then, or cannot write: an election, a full disk, a broken network.",
        ),
        Alert(
            "MailyardStoreSlow",
            "histogram_quantile(0.95, sum by (namespace, write, le)"
            " (rate(mailyard_store_write_seconds_bucket[5m])))"
            f" > {limits.STORE_WRITE_SECONDS}",
            "10m",
            Severity.WARNING,
            "Batched writes ({{ $labels.write }}) take {{ $value | humanizeDuration }}",
            "MongoDB's disk or its secondaries are slow; acceptance and delivery wait for it.",
        ),
        Alert(
            "MailyardBrokerDisconnected",
            "min by (namespace, instance, purpose) (mailyard_broker_connected_state)"
            " * on (namespace, instance) group_left (service) mailyard_build_info == 0",
            "2m",
            Severity.CRITICAL,
            "{{ $labels.service }} has no connection to RabbitMQ ({{ $labels.purpose }})",
            "{{ $labels.instance }} neither gets nor passes on mail. What was accepted is safe in MongoDB.",
        ),
        Alert(
            "MailyardPublishFailing",
            "sum by (namespace, queue) (increase(mailyard_broker_publish_failures_total[5m])) > 0",
            "5m",
            Severity.WARNING,
            "RabbitMQ does not confirm tickets for {{ $labels.queue }}",
            "The queue is full or without a majority, or the broker is overloaded. The rows are published again later.",
        ),
    ),
)
