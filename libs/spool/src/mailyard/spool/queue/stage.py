"""Report what became of tickets: the part of its work that every stage of the pipeline does in the same way.

A service makes one `StageReports` for each stage that it works for, and gives `poison` to the consumer of the queue.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailyard.broker.pipeline import Route, Stage
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.outcome import Report
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.timeline import append_event

BODY_MISSING: Final = "the body is not in the store: restore mail.files and mail.chunks"
_FAULT_STATUS: Final = "4.3.0"  # RFC 3463, X.3.0: a fault of this system
_MOST_CHARACTERS: Final = 300  # of a reason that is kept


def deferred(stage: Stage, ticket: Ticket, now: datetime, text: str) -> Report:
    """Make the report that defers all targets of a ticket, and append the reason to its timeline.

    Args:
        stage: where the ticket was; its work is repeated, so a verdict that it has given is removed.
        ticket: what could not be passed on.
        now: the present.
        text: the reason, as a reply of SMTP.

    """
    if stage.result:
        ticket.ClearField("verdict")  # a row with the result of a stage skips this stage
    append_event(ticket, now, stage.service, "message.deferred", text)
    route = None if stage.route is Route.EDGE else stage.route
    return defer(ticket, route, now, _FAULT_STATUS, text)


def deferred_by_fault(stage: Stage, ticket: Ticket, now: datetime, error: Exception) -> Report:
    """Make the report of a ticket that a stage fails on: it is deferred, with the error as the reason."""
    text = f"451 {_FAULT_STATUS} internal error in {stage.service}: {error!r}"
    return deferred(stage, ticket, now, text[:_MOST_CHARACTERS])


class StageReports:
    """Writes what became of the tickets of one stage; each call is one command of the store."""

    def __init__(self, stage: Stage, outcomes: Outcomes, *, clock: Clock = now_utc) -> None:
        self.stage = stage
        self._outcomes = outcomes
        self._clock = clock

    async def write(self, reports: Sequence[Report]) -> None:
        """Write reports; writing a report again changes nothing.

        Raises:
            Unavailable: the store is unreachable; write again.

        """
        await self._outcomes.report_many(reports)

    async def defer(self, tickets: Sequence[Ticket], text: str) -> None:
        """Defer all targets of tickets. Raises Unavailable; deferring again does no harm."""
        now = self._clock()
        await self.write([deferred(self.stage, ticket, now, text) for ticket in tickets])

    async def defer_without_body(self, tickets: Sequence[Ticket]) -> None:
        """Defer tickets whose body is not in the store. Raises Unavailable."""
        await self.defer(tickets, f"451 {_FAULT_STATUS} {BODY_MISSING}")

    async def poison(self, ticket: Ticket, error: Exception) -> None:
        """Defer a ticket that this stage fails on. Raises Unavailable."""
        await self.write([deferred_by_fault(self.stage, ticket, self._clock(), error)])
