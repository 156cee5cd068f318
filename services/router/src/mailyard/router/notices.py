"""Make the recipients of a report to the sender from rows: pure."""

from datetime import datetime, timedelta

from mailyard.message.deliverystatus import DsnAction, RecipientReport
from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient
from mailyard.spool.outcome import Result
from mailyard.spool.queue.bounces import DueReport, Reported
from mailyard.spool.queue.delays import DueDelay
from mailyard.spool.queue.retry import SCHEDULES
from mailyard.store.client import Row

_ACTIONS = {
    Result.BOUNCED: DsnAction.FAILED,
    Result.EXPIRED: DsnAction.FAILED,
    Result.RELAYED: DsnAction.RELAYED,
    None: DsnAction.EXPANDED,
}
_TO_POSTMASTER = "/postmaster"


def recipients_of(report: DueReport) -> list[RecipientReport]:
    """Return the outcomes of the targets of a row, for a report."""
    return [_recipient(target) for target in report.targets.values()]


def delayed_recipients_of(delay: DueDelay) -> list[RecipientReport]:
    """Return the waiting targets of a row, with the reason and the end of attempts."""
    reason = delay.row.get("reason", {})
    until = retry_until(delay.row)
    return [_delayed(target, reason, until) for target in delay.targets]


def retry_until(row: Row) -> datetime:
    """Return when a message expires."""
    schedule = SCHEDULES.get(row.get("class", MailClass.MAIL_CLASS_NORMAL))
    lifetime: timedelta = (schedule or SCHEDULES[MailClass.MAIL_CLASS_NORMAL]).lifetime
    accepted_at: datetime = row["accepted_at"]
    return accepted_at + lifetime


def is_double_bounce(report: DueReport) -> bool:
    """Return whether a message without a sender failed, which is a bounce nearly always."""
    return not report.row["sender"] and any(target.failed for target in report.targets.values())


def postmaster_key(report: DueReport) -> str | None:
    """Return the key of the copy for the postmaster; None if the message is such a copy: it ends here."""
    return None if report.dedupe_key.endswith(_TO_POSTMASTER) else f"{report.key}{_TO_POSTMASTER}"


def _recipient(target: Reported) -> RecipientReport:
    action = _ACTIONS.get(target.result, DsnAction.DELIVERED)
    return RecipientReport(
        address=target.address,
        outcome=action,
        status=target.status,
        diagnostic=target.text,
        notify=target.notify,
        orcpt=target.orcpt,
        remote_mta=target.place if action in (DsnAction.FAILED, DsnAction.RELAYED) else "",
        last_attempt=target.at,
    )


def _delayed(target: Recipient, reason: Row, until: datetime) -> RecipientReport:
    return RecipientReport(
        address=target.address,
        outcome=DsnAction.DELAYED,
        status=reason.get("status", ""),
        diagnostic=reason.get("text", ""),
        notify=target.notify,
        orcpt=target.orcpt,
        retry_until=until,
    )
