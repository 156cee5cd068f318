"""Defer a ticket: the report of an attempt that failed temporarily, or finally when the queue lifetime has passed."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.retry import next_due


def defer(
    ticket: Ticket,
    route: Route | None,
    now: datetime,
    status: str,
    text: str,
    *,
    outcomes: Mapping[int, Outcome] | None = None,
    rng: Callable[[], float] = random.random,
) -> Report:
    """Report that the targets without an outcome wait for the next attempt, or expire.

    Args:
        ticket: what was attempted.
        route: route of the leg; None when the router has not decided.
        now: the present.
        status: enhanced status code of the failure (RFC 3463).
        text: the reason, for the sender and the trace.
        outcomes: outcomes of other targets of the same attempt.
        rng: returns a number from 0 to 1 for the jitter of the next attempt.

    """
    ended = dict(outcomes or {})
    due_at = next_due(ticket, now, rng)
    if due_at is not None:
        return Report(ticket, ended, Deferral(due_at, route, status, text))
    text = f"not delivered in time; the last reason was: {text}"
    expired = Outcome(Result.EXPIRED, "5.4.7", text)  # RFC 3463, X.4.7
    left = {target.index: expired for target in ticket.recipients if target.index not in ended}
    return Report(ticket, ended | left)
