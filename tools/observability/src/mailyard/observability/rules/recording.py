"""Recording rules for several alerts and panels. Every router exports all queues, so the maximum counts."""

from mailyard.observability.rule import Group, Recording

_QUEUE = ("namespace", "queue")
_SERVICE = ("namespace", "service")

GROUP = Group(
    "mailyard-recording",
    (
        Recording(
            "mailyard:queue_depth_mails:max", "max by (namespace, queue) (mailyard_queue_depth_mails)", _QUEUE
        ),
        Recording(
            "mailyard:queue_oldest_seconds:max",
            "max by (namespace, queue) (mailyard_queue_oldest_seconds)",
            _QUEUE,
        ),
        Recording(
            "mailyard:queue_in_tickets:rate5m",
            "sum by (namespace, queue) (rate(mailyard_broker_published_tickets_total[5m]))",
            _QUEUE,
        ),
        Recording(
            "mailyard:queue_out_tickets:rate5m",
            "sum by (namespace, queue) (rate(mailyard_broker_consumed_tickets_total[5m]))",
            _QUEUE,
        ),
        Recording(
            "mailyard:queue_wait_seconds:p95_5m",
            "histogram_quantile(0.95, sum by (namespace, queue, le) (rate(mailyard_queue_wait_seconds_bucket[5m])))",
            _QUEUE,
        ),
        Recording(
            "mailyard:delivery_age_seconds:p95_5m",
            "histogram_quantile(0.95, sum by (namespace, le) (rate(mailyard_delivery_age_seconds_bucket[5m])))",
            ("namespace",),
        ),
        Recording(
            "mailyard:accepted_messages:rate5m",
            "sum by (namespace) (rate(mailyard_smtp_in_accepted_messages_total[5m]))",
            ("namespace",),
        ),
        Recording(
            "mailyard:relay_recipients:rate15m",
            "sum by (namespace, provider, fate) (rate(mailyard_relay_recipients_total[15m]))",
            ("namespace", "provider", "fate"),
        ),
        Recording(
            "mailyard:relay_not_relayed:ratio15m",
            'sum by (namespace, provider) (mailyard:relay_recipients:rate15m{fate!="relayed"})'
            " / sum by (namespace, provider) (mailyard:relay_recipients:rate15m > 0)",
            ("namespace", "provider"),
        ),
        Recording(
            "mailyard:deferred_legs:ratio15m",
            "sum by (namespace) (rate(mailyard_spool_deferrals_total[15m]))"
            " / (sum by (namespace) (rate(mailyard_spool_deferrals_total[15m]))"
            " + sum by (namespace) (rate(mailyard_spool_outcomes_total[15m])))",
            ("namespace",),
        ),
        Recording(
            "mailyard:logins:rate10m",
            "sum by (namespace, login_service, outcome) (rate(mailyard_login_attempts_total[10m]))",
            ("namespace", "login_service", "outcome"),
        ),
        Recording(
            "mailyard:service_instances:count",
            "count by (namespace, service) (mailyard_build_info)",
            _SERVICE,
        ),
        Recording(
            "mailyard:service_ready_instances:sum",
            "sum by (namespace, service)"
            " (mailyard_ready_state * on (namespace, instance) group_left (service) mailyard_build_info)",
            _SERVICE,
        ),
    ),
)
