"""Alerts on the processes of the services."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

GROUP = Group(
    "mailyard-services",
    (
        Alert(
            "MailyardServiceDown",
            "mailyard:service_ready_instances:sum == 0"
            " or (max_over_time(mailyard:service_instances:count[1d]) unless on (namespace, service)"
            " mailyard:service_instances:count) * 0",
            "2m",
            Severity.CRITICAL,
            "No instance of {{ $labels.service }} is ready",
            "All instances of {{ $labels.service }} in {{ $labels.namespace }} are not ready or do not exist.",
        ),
        Alert(
            "MailyardInstanceNotReady",
            "(mailyard_ready_state == 0) * on (namespace, instance) group_left (service) mailyard_build_info",
            "10m",
            Severity.WARNING,
            "An instance of {{ $labels.service }} is not ready",
            "{{ $labels.instance }} has answered /readyz with 503 for ten minutes; the response names the component and the reason.",
        ),
        Alert(
            "MailyardLoopLag",
            "histogram_quantile(0.99, sum by (namespace, instance, le) (rate(mailyard_loop_lag_seconds_bucket[5m])))"
            " * on (namespace, instance) group_left (service) mailyard_build_info"
            f" > {limits.LOOP_LAG_SECONDS}",
            "10m",
            Severity.WARNING,
            "The event loop of {{ $labels.service }} runs {{ $value | humanizeDuration }} late",
            "{{ $labels.instance }} has too little CPU, or a call blocks its event loop.",
        ),
        Alert(
            "MailyardOpenFilesHigh",
            "(process_open_fds / process_max_fds) * on (namespace, instance) group_left (service) mailyard_build_info"
            f" > {limits.OPEN_FILES_SHARE}",
            "5m",
            Severity.WARNING,
            "{{ $labels.service }} uses {{ $value | humanizePercentage }} of its open files",
            "{{ $labels.instance }} will soon accept no more connections.",
        ),
        Alert(
            "MailyardCertificateExpiring",
            "min by (namespace, instance) (mailyard_certificate_expiry_timestamp_seconds) - time()"
            f" < {limits.CERTIFICATE_DAYS} * 86400",
            "1h",
            Severity.WARNING,
            "The certificate expires in {{ $value | humanizeDuration }}",
            "{{ $labels.instance }} serves a certificate that has not been renewed.",
        ),
        Alert(
            "MailyardCertificateExpired",
            "min by (namespace, instance) (mailyard_certificate_expiry_timestamp_seconds) - time()"
            f" < {limits.CERTIFICATE_CRITICAL_DAYS} * 86400",
            "5m",
            Severity.CRITICAL,
            "The certificate has expired or expires within two days",
            "Clients of {{ $labels.instance }} will refuse the connection; {{ $value | humanizeDuration }} left.",
        ),
        Alert(
            "MailyardFilterRulesRefused",
            "sum by (namespace) (increase(mailyard_filter_rules_refused_total[15m])) > 0",
            "0s",
            Severity.WARNING,
            "Changed content rules cannot be used",
            "The filter uses the earlier rules; its log names the mistakes.",
        ),
    ),
)
