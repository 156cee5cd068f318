"""Mail that does not move, mail that nobody can handle, and mail that the books do not explain."""

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
            "The two books of the ledger differ by {{ $value }} recipients",
            "What the edges said 250 to and what the rows say became of it are not the same in {{ $labels.namespace }}:"
            " mail may be lost, or rows came from nowhere.",
        ),
        Alert(
            "MailyardLedgerSilent",
            "sum by (namespace) (increase(mailyard_ledger_audits_total[10m])) == 0",
            "5m",
            Severity.WARNING,
            "Nobody compares the books of the ledger",
            "No router of {{ $labels.namespace }} has audited the ledger for ten minutes: a loss would not be seen.",
        ),
        Alert(
            "MailyardQueueStuck",
            f"mailyard:queue_depth_mails:max{{{_WORKING}}} > 0 unless on (namespace, queue)"
            f" mailyard:queue_out_tickets:rate5m{{{_WORKING}}} > 0",
            "10m",
            Severity.CRITICAL,
            "{{ $value }} mails stand in {{ $labels.queue }} and none leaves",
            "For ten minutes nothing was taken from the queue {{ $labels.queue }} though mail waits in it.",
        ),
        Alert(
            "MailyardConsumersMissing",
            f"max by (namespace, queue) (mailyard_queue_consumers{{{_WORKING}}}) == 0",
            "2m",
            Severity.CRITICAL,
            "Nobody consumes {{ $labels.queue }}",
            "RabbitMQ has no consumer of the queue {{ $labels.queue }}: its service is down or cannot register.",
        ),
        Alert(
            "MailyardQueueVeryOld",
            f"mailyard:queue_oldest_seconds:max{{{_WORKING}}} > {limits.QUEUE_AGE_CRITICAL_SECONDS}",
            "5m",
            Severity.CRITICAL,
            "Mail has waited {{ $value | humanizeDuration }} in {{ $labels.queue }}",
            "The oldest mail of {{ $labels.queue }} waits so long that users notice, and the edge may begin to refuse.",
        ),
        Alert(
            "MailyardQueueOld",
            f"mailyard:queue_oldest_seconds:max{{{_WORKING}}} > {limits.QUEUE_AGE_SECONDS}",
            "5m",
            Severity.WARNING,
            "Mail has waited {{ $value | humanizeDuration }} in {{ $labels.queue }}",
            "The consumers of {{ $labels.queue }} do not keep up with what comes in.",
        ),
        Alert(
            "MailyardQueueDeep",
            f"mailyard:queue_depth_mails:max{{{_WORKING}}} > {limits.QUEUE_DEPTH_MAILS}",
            "10m",
            Severity.WARNING,
            "{{ $value }} mails wait in {{ $labels.queue }}",
            "More than"
            f" {limits.QUEUE_DEPTH_MAILS} mails have stood in {{{{ $labels.queue }}}} for ten minutes: a burst, or too few"
            " consumers.",
        ),
        Alert(
            "MailyardDeadLetters",
            'mailyard:queue_depth_mails:max{queue="dead"} > 0',
            "2m",
            Severity.WARNING,
            "{{ $value }} tickets are dead letters",
            "Consumers of {{ $labels.namespace }} gave these tickets up. Their rows stay open: the router gives them new"
            " tickets, which may fail again.",
        ),
        Alert(
            "MailyardDeadLettersTrimmed",
            "sum by (namespace) (increase(mailyard_broker_dead_letters_trimmed_total[1h])) > 0",
            "0s",
            Severity.WARNING,
            "The queue dead is full, and its oldest messages are removed",
            "Routers of {{ $labels.namespace }} removed {{ $value | humanize }} AMQP messages within an hour. No mail is"
            " lost, but what made so many tickets fail goes on.",
        ),
        Alert(
            "MailyardPoisonTickets",
            "sum by (namespace, queue) (increase(mailyard_broker_poison_tickets_total[15m])) > 0",
            "0s",
            Severity.WARNING,
            "Tickets of {{ $labels.queue }} made their handler fail",
            "The mails behind them are put off or dead letters. This is a fault of the program or of a message.",
        ),
        Alert(
            "MailyardConsumerStalls",
            "sum by (namespace, queue) (increase(mailyard_broker_consumer_stalls_total[30m])) > 2",
            "0s",
            Severity.WARNING,
            "Consumers of {{ $labels.queue }} die silently again and again",
            "Mail waited, nothing arrived, and the consumer registered anew, {{ $value | humanize }} times in half an hour.",
        ),
        Alert(
            "MailyardTicketsReissued",
            "sum by (namespace) (increase(mailyard_router_reissued_total[15m])) > 100",
            "5m",
            Severity.WARNING,
            "{{ $value | humanize }} tickets were lost and published again",
            "The broker loses tickets, or queues were purged. No mail is lost, but it is late.",
        ),
        Alert(
            "MailyardReleaseLate",
            f"max by (namespace) (mailyard_spool_overdue_seconds) > {limits.OVERDUE_SECONDS}",
            "5m",
            Severity.WARNING,
            "Deferred mail is {{ $value | humanizeDuration }} overdue",
            "Routers do not release deferred mail in time: they are away, or more is due than they release.",
        ),
        Alert(
            "MailyardDeliverySlow",
            f"mailyard:delivery_age_seconds:p95_5m > {limits.DELIVERY_SECONDS}",
            "10m",
            Severity.WARNING,
            "One mail in twenty takes more than {{ $value | humanizeDuration }} to its mailbox",
            "Measured from acceptance to the mailbox, over five minutes, in {{ $labels.namespace }}.",
        ),
        Alert(
            "MailyardReportsFailing",
            "sum by (namespace, next) (increase(mailyard_router_report_failures_total[30m])) > 0",
            "0s",
            Severity.WARNING,
            "Reports to senders cannot be made ({{ $labels.next }})",
            "The router of {{ $labels.namespace }} fails to report what became of mail. `retried`: it tries again; `given_up`:"
            " these senders never hear of it.",
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
