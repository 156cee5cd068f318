"""Alerts on smtp-in and imap, as clients and other mail servers see them."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

GROUP = Group(
    "mailyard-edge",
    (
        Alert(
            "MailyardEdgeRefusing",
            "max by (namespace) (mailyard_smtp_in_refusing_state) == 1",
            "2m",
            Severity.CRITICAL,
            "smtp-in refuses all new mail with 4xx",
            "MongoDB is slow, its disk is nearly full, or a queue is too old; smtp-in logs the reason (smtp_in.pressure).",
        ),
        Alert(
            "MailyardAcceptSlow",
            "histogram_quantile(0.95, sum by (namespace, listener, le)"
            " (rate(mailyard_smtp_in_accept_seconds_bucket[5m])))"
            f" > {limits.ACCEPT_SECONDS}",
            "10m",
            Severity.WARNING,
            "Clients of {{ $labels.listener }} wait {{ $value | humanizeDuration }} for their 250",
            "The time from the end of a message to the reply; it includes writes to MongoDB and RabbitMQ.",
        ),
        Alert(
            "MailyardLoginsFailing",
            'sum by (namespace, login_service) (mailyard:logins:rate10m{outcome!="accepted"})'
            " / sum by (namespace, login_service) (mailyard:logins:rate10m)"
            f" > {limits.LOGIN_FAILURE_SHARE} and sum by (namespace, login_service) (mailyard:logins:rate10m)"
            f" > {limits.LOGINS_PER_SECOND}",
            "10m",
            Severity.WARNING,
            "{{ $value | humanizePercentage }} of logins to {{ $labels.login_service }} fail",
            "Passwords are being guessed, or a change locked users out.",
        ),
        Alert(
            "MailyardImapSlow",
            "histogram_quantile(0.95, sum by (namespace, le)"
            ' (rate(mailyard_imap_command_seconds_bucket{command!="IDLE"}[5m])))'
            f" > {limits.IMAP_SECONDS}",
            "10m",
            Severity.WARNING,
            "p95 of IMAP commands is {{ $value | humanizeDuration }}",
            "One command in twenty is slower; mail clients do not respond in time.",
        ),
    ),
)
