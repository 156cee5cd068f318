"""Alerts on the canary: a test mail that passes the whole system every few minutes."""

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
            "A test mail did not pass the system in time.",
        ),
        Alert(
            "MailyardCanarySlow",
            f"max by (namespace, leg) (mailyard_canary_seconds) > {limits.CANARY_SECONDS}",
            "15m",
            Severity.WARNING,
            "The canary's mail takes {{ $value | humanizeDuration }} ({{ $labels.leg }})",
            "Mail of users takes as long.",
        ),
        Alert(
            "MailyardCanaryAbsent",
            "time() - max by (namespace) (mailyard_canary_run_timestamp_seconds)"
            f" > {limits.CANARY_SILENCE_SECONDS}",
            "5m",
            Severity.WARNING,
            "The canary has not run for {{ $value | humanizeDuration }}",
            "Its CronJob fails or is suspended, so the mail flow is not checked.",
        ),
    ),
)
