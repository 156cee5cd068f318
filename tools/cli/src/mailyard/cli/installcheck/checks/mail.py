"""The mail flow: consumers of queues, the ledger, and the canary."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailyard.broker.pipeline import Queue
from mailyard.cli.installcheck.finding import Finding, error, ok, warning
from mailyard.spool.watch.canary import CanaryRun
from mailyard.spool.watch.depth import Depth

OLD_SECONDS = 300.0
CANARY_AGE = timedelta(hours=1)


def check_queues(depths: Sequence[Depth]) -> list[Finding]:
    """Check consumers and age of each queue; reading the depth proves that the queue exists."""
    findings = [finding for depth in depths if (finding := _queue(depth)) is not None]
    return findings or [
        ok(f"all {len(depths)} queues exist; the {len(depths) - 1} work queues have consumers and move")
    ]


def _queue(depth: Depth) -> Finding | None:
    name = depth.queue.value
    if depth.queue is Queue.DEAD:
        advice = "mailyard trace of their spool ids shows the reason; the mails are in their rows."
        return warning(f"{depth.messages} message(s) are dead letters", advice) if depth.messages else None
    if not depth.consumers:
        return error(f"queue {name} has no consumer", "Check that its service is ready, and read its log.")
    if depth.oldest_seconds > OLD_SECONDS:
        text = f"mail waits in {name} for {depth.oldest_seconds:.0f} s"
        return warning(text, "Read the log of the service, or add replicas.")
    return None


def check_ledger(unaccounted: int) -> list[Finding]:
    """Check that all accepted recipients are accounted for."""
    if unaccounted == 0:
        return [ok("the ledger accounts for every recipient of the last 24 full hours")]
    return [
        error(
            f"{unaccounted} recipient(s) of the last 24 full hours are unaccounted for",
            "mailyard ledger shows the hour; see docs/runbooks/MailyardMailUnaccounted.md.",
        )
    ]


def check_canary(runs: Sequence[CanaryRun], now: datetime) -> list[Finding]:
    """Check the last run of each leg."""
    if not runs:
        advice = "Set canary.enabled, or run mailyard canary --record."
        return [warning("the canary has not run yet", advice)]
    return [_leg(run, now) for run in runs]


def _leg(run: CanaryRun, now: datetime) -> Finding:
    when = f"{run.at:%Y-%m-%d %H:%M} UTC"
    if not run.succeeded:
        text = f"the canary's leg {run.leg} failed at {when}"
        return error(text, "The log of its job shows where the mail stopped.")
    if now - run.at > CANARY_AGE:
        return warning(f"the canary's leg {run.leg} ran last at {when}", "Check the CronJob of the canary.")
    return ok(f"the canary's leg {run.leg} arrived in {run.seconds:.1f} s at {when}")
