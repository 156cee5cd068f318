"""The mail canary: one mail that goes the whole way every few minutes."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

GROUP = Group(
    "mailyard-canary",
    (
        Alert(
            "MailyardCanaryFailing",
            "min by (namespace, leg) (mailyard_canary_success_state) == 0",
            "6m",
            Severity.CRITICAL,
            "The canary's mail does not arrive ({{ $labels.leg }})",
            "A mail that goes the way of all mails did not come through in time.",
        ),
        Alert(
            "MailyardCanarySlow",
            f"max by (namespace, leg) (mailyard_canary_seconds) > {limits.CANARY_SECONDS}",
            "15m",
            Severity.WARNING,
            "The canary's mail takes {{ $value | humanizeDuration }} ({{ $labels.leg }})",
            "Users wait as long for theirs.",
        ),
        Alert(
            "MailyardCanaryAbsent",
            "time() - max by (namespace) (mailyard_canary_run_timestamp_seconds)"
            f" > {limits.CANARY_SILENCE_SECONDS}",
            "5m",
            Severity.WARNING,
            "The canary has not run for {{ $value | humanizeDuration }}",
            "Its CronJob fails or is suspended: nobody watches whether mail goes through.",
        ),
    ),
)
