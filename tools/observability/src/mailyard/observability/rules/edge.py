"""What clients and other mail servers meet."""

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
            "The store is slow, its disk nearly full, or a queue too old; the log of smtp-in (smtp_in.pressure) says which.",
        ),
        Alert(
            "MailyardAcceptSlow",
            "histogram_quantile(0.95, sum by (namespace, listener, le)"
            " (rate(mailyard_smtp_in_accept_seconds_bucket[5m])))"
            f" > {limits.ACCEPT_SECONDS}",
            "10m",
            Severity.WARNING,
            "Clients of {{ $labels.listener }} wait {{ $value | humanizeDuration }} for their 250",
            "From the end of a message to the answer; the way leads over MongoDB and RabbitMQ.",
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
            "Somebody guesses passwords, or a change has locked users out.",
        ),
        Alert(
            "MailyardImapSlow",
            "histogram_quantile(0.95, sum by (namespace, le)"
            ' (rate(mailyard_imap_command_seconds_bucket{command!="IDLE"}[5m])))'
            f" > {limits.IMAP_SECONDS}",
            "10m",
            Severity.WARNING,
            "IMAP commands take {{ $value | humanizeDuration }}",
            "One command in twenty is slower than that; users see an unresponsive mailbox.",
        ),
    ),
)
