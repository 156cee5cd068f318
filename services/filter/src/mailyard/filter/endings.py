"""Verdicts that end a message in the filter: rejected or discarded."""

from datetime import datetime

from mailyard.proto.v1.ticket_pb2 import Action, Ticket
from mailyard.spool.outcome import Outcome, Report, Result, ended_alike
from mailyard.spool.timeline import append_event

STAGE = "filter"
_DISCARDED = Outcome(Result.DISCARDED, "2.0.0", "discarded by a rule")


def is_end(ticket: Ticket) -> bool:
    """Return whether the verdict of a ticket ends the message here."""
    return ticket.verdict.action in (Action.ACTION_REJECT, Action.ACTION_DISCARD)


def ended(ticket: Ticket, now: datetime) -> Report:
    """Make the report of a message that was rejected (its sender gets a bounce) or discarded."""
    verdict = ticket.verdict
    if verdict.action == Action.ACTION_DISCARD:
        append_event(ticket, now, STAGE, "message.discarded")
        return ended_alike(ticket, _DISCARDED)
    append_event(ticket, now, STAGE, "message.failed", f"{verdict.status} {verdict.text}")
    return ended_alike(ticket, Outcome(Result.BOUNCED, verdict.status, verdict.text))
