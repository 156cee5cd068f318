"""Putting off: the report of a try that failed for now, or for good when the queue lifetime has passed."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.retry import next_due
from mailyard.spool.row import Route


def put_off(
    ticket: Ticket,
    route: Route | None,
    now: datetime,
    status: str,
    text: str,
    *,
    outcomes: Mapping[int, Outcome] | None = None,
    dice: Callable[[], float] = random.random,
) -> Report:
    """Report that the targets without an outcome wait, or have waited long enough.

    Args:
        ticket: what was tried.
        route: where the leg goes; None when the router has not decided.
        now: the present.
        status: why it failed, RFC 3463.
        text: the words for the sender and the trace.
        outcomes: ends of other targets of the same try.
        dice: gives a number from 0 to 1 for the jitter.

    """
    ended = dict(outcomes or {})
    due_at = next_due(ticket, now, dice)
    if due_at is not None:
        return Report(ticket, ended, Deferral(due_at, route, status, text))
    expired = Outcome(
        Result.EXPIRED, "5.4.7", f"not delivered in time; the last reason was: {text}"
    )  # RFC 3463, X.4.7
    left = {target.index: expired for target in ticket.recipients if target.index not in ended}
    return Report(ticket, ended | left)
