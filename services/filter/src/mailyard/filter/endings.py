"""How messages end or wait in the filter: the one place that writes rows from here."""

from collections.abc import Sequence
from datetime import datetime

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Action, Ticket
from mailyard.spool.outcome import Outcome, Report, Result, ended_alike
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.timeline import note

STAGE = "filter"
_DISCARDED = Outcome(Result.DISCARDED, "2.0.0", "discarded by a rule")


def is_end(ticket: Ticket) -> bool:
    """Whether the verdict lets the message go no further."""
    return ticket.verdict.action in (Action.ACTION_REJECT, Action.ACTION_DISCARD)


class Endings:
    """Writes what became of messages that go no further."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    async def end(self, tickets: Sequence[Ticket], now: datetime) -> None:
        """End messages that were rejected (their senders get a bounce) or discarded.

        Raises:
            Unavailable: the store is away; doing it again does no harm.

        """
        await self._outcomes.report_many([_ended(ticket, now) for ticket in tickets])

    async def defer(self, tickets: Sequence[Ticket], direction: Route, now: datetime, text: str) -> None:
        """Let messages wait that could not be inspected; they will be filtered anew.

        Raises:
            Unavailable: the store is away; doing it again does no harm.

        """
        reports = []
        for ticket in tickets:
            ticket.ClearField("verdict")  # a row that has one is not filtered again
            note(ticket, now, STAGE, "message.deferred", text)
            reports.append(defer(ticket, direction, now, "4.3.0", text))
        await self._outcomes.report_many(reports)


def _ended(ticket: Ticket, now: datetime) -> Report:
    verdict = ticket.verdict
    if verdict.action == Action.ACTION_DISCARD:
        note(ticket, now, STAGE, "message.discarded")
        return ended_alike(ticket, _DISCARDED)
    note(ticket, now, STAGE, "message.failed", f"{verdict.status} {verdict.text}")
    return ended_alike(ticket, Outcome(Result.BOUNCED, verdict.status, verdict.text))
