"""Alerts on queues that do not move, tickets that fail, and differences in the ledger."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

_WORKING = 'queue!="dead"'

GROUP = Group(
    "mailyard-queues",
    (
        Alert(
            "MailyardMailUnaccounted",
            "sum by (namespace) (mailyard_mail_unaccounted) > 0",
            "5m",  # rows that have lost their entry, in a restore or with an edge, get one within four minutes
            Severity.CRITICAL,
            "{{ $value }} recipients are unaccounted for",
            "Accepted recipients and the outcomes in the spool rows differ in {{ $labels.namespace }}:"
            " mail may be lost, or rows exist that no edge accepted.",
        ),
        Alert(
            "MailyardLedgerSilent",
            "sum by (namespace) (increase(mailyard_ledger_audits_total[10m])) == 0",
            "5m",
            Severity.WARNING,
            "The ledger audit is not running",
            "No router of {{ $labels.namespace }} has audited the ledger for ten minutes. A loss would not be detected.",
        ),
        Alert(
            "MailyardQueueStuck",
            f"mailyard:queue_depth_mails:max{{{_WORKING}}} > 0 unless on (namespace, queue)"
            f" mailyard:queue_out_tickets:rate5m{{{_WORKING}}} > 0",
            "10m",
            Severity.CRITICAL,
            "Queue {{ $labels.queue }}: {{ $value }} mails, none processed for 10 minutes",
            "Mail waits in the queue {{ $labels.queue }}, and no consumer has taken a ticket for ten minutes.",
        ),
        Alert(
            "MailyardConsumersMissing",
            f"max by (namespace, queue) (mailyard_queue_consumers{{{_WORKING}}}) == 0",
            "2m",
            Severity.CRITICAL,
            "Queue {{ $labels.queue }} has no consumers",
            "RabbitMQ counts no consumer of the queue {{ $labels.queue }}: its service is down or cannot register.",
        ),
        Alert(
            "MailyardQueueVeryOld",
            f"mailyard:queue_oldest_seconds:max{{{_WORKING}}} > {limits.QUEUE_AGE_CRITICAL_SECONDS}",
            "5m",
            Severity.CRITICAL,
            "Mail has waited {{ $value | humanizeDuration }} in {{ $labels.queue }}",
            "The oldest mail of {{ $labels.queue }} waits so long that users notice, and smtp-in may begin to refuse mail.",
        ),
        Alert(
            "MailyardQueueOld",
            f"mailyard:queue_oldest_seconds:max{{{_WORKING}}} > {limits.QUEUE_AGE_SECONDS}",
            "5m",
            Severity.WARNING,
            "Mail has waited {{ $value | humanizeDuration }} in {{ $labels.queue }}",
            "The consumers of {{ $labels.queue }} are slower than the incoming mail.",
        ),
        Alert(
            "MailyardQueueDeep",
            f"mailyard:queue_depth_mails:max{{{_WORKING}}} > {limits.QUEUE_DEPTH_MAILS}",
            "10m",
            Severity.WARNING,
            "{{ $value }} mails wait in {{ $labels.queue }}",
            "More than"
            f" {limits.QUEUE_DEPTH_MAILS} mails have waited in {{{{ $labels.queue }}}} for ten minutes: a burst, or too few"
            " consumers.",
        ),
        Alert(
            "MailyardMailHeld",
            'max by (namespace) (mailyard_spool_open_mails{state="held"}) > 0',
            "1m",
            Severity.WARNING,
            "{{ $value }} mails are held",
            "Accounts, domains or tenants of {{ $labels.namespace }} exceeded a limit of sending. Their mail waits until"
            " somebody releases or discards it.",
        ),
        Alert(
            "MailyardDeadLetters",
            'mailyard:queue_depth_mails:max{queue="dead"} > 0',
            "2m",
            Severity.WARNING,
            "{{ $value }} tickets are dead letters",
            "Consumers of {{ $labels.namespace }} could not handle these tickets. Their rows stay open: the router publishes"
            " new tickets, which may fail again.",
        ),
        Alert(
            "MailyardDeadLettersTrimmed",
            "sum by (namespace) (increase(mailyard_broker_dead_letters_trimmed_total[1h])) > 0",
            "0s",
            Severity.WARNING,
            "The queue dead is full; its oldest messages are removed",
            "Routers of {{ $labels.namespace }} removed {{ $value | humanize }} AMQP messages within an hour. No mail is"
            " lost, but the cause of the failing tickets persists.",
        ),
        Alert(
            "MailyardPoisonTickets",
            "sum by (namespace, queue) (increase(mailyard_broker_poison_tickets_total[15m])) > 0",
            "0s",
            Severity.WARNING,
            "Tickets of {{ $labels.queue }} made their handler fail",
            "The mails are deferred or dead letters. The cause is a bug, or an unusual message.",
        ),
        Alert(
            "MailyardConsumerStalls",
            "sum by (namespace, queue) (increase(mailyard_broker_consumer_stalls_total[30m])) > 2",
            "0s",
            Severity.WARNING,
            "Consumers of {{ $labels.queue }} stall repeatedly",
            "Mail waited, none arrived, and the consumer registered again, {{ $value | humanize }} times in half an hour.",
        ),
        Alert(
            "MailyardTicketsReissued",
            "sum by (namespace) (increase(mailyard_router_reissued_total[15m])) > 100",
            "5m",
            Severity.WARNING,
            "{{ $value | humanize }} tickets were lost and published again",
            "RabbitMQ loses tickets, or queues were purged. No mail is lost, but it is late.",
        ),
        Alert(
            "MailyardReleaseLate",
            f"max by (namespace) (mailyard_spool_overdue_seconds) > {limits.OVERDUE_SECONDS}",
            "5m",
            Severity.WARNING,
            "Deferred mail is {{ $value | humanizeDuration }} overdue",
            "Routers do not release deferred mail in time: no router runs, or more mail is due than they release.",
        ),
        Alert(
            "MailyardDeliverySlow",
            f"mailyard:delivery_age_seconds:p95_5m > {limits.DELIVERY_SECONDS}",
            "10m",
            Severity.WARNING,
            "One mail in twenty takes more than {{ $value | humanizeDuration }} to its mailbox",
            "Time from acceptance to the mailbox, over five minutes, in {{ $labels.namespace }}.",
        ),
        Alert(
            "MailyardReportsFailing",
            "sum by (namespace, next) (increase(mailyard_router_report_failures_total[30m])) > 0",
            "0s",
            Severity.WARNING,
            "Reports to senders fail ({{ $labels.next }})",
            "The router of {{ $labels.namespace }} cannot make reports. `retried`: it tries again; `given_up`:"
            " these senders get no report.",
        ),
        Alert(
            "MailyardDoubleBounces",
            "sum by (namespace) (increase(mailyard_router_double_bounces_total[1h]))"
            f" > {limits.DOUBLE_BOUNCES_PER_HOUR}",
            "0s",
            Severity.WARNING,
            "{{ $value | humanize }} messages without a sender failed within an hour",
            "Nearly all of them are bounces that could not be delivered. Either {{ $labels.namespace }} sends bounces to"
            " forged sender addresses, or a domain that sends through it does not accept mail.",
        ),
    ),
)
