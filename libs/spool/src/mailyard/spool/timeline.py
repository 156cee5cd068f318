"""The timeline of a message: entries that stages add to their ticket, written into the row with the next report."""

from datetime import datetime

from mailyard.proto.v1.ticket_pb2 import Ticket, TimelineEntry
from mailyard.runtime.clock import to_ms


def append_event(ticket: Ticket, at: datetime, stage: str, event: str, detail: str = "") -> None:
    """Append an entry to the timeline of a ticket."""
    ticket.timeline.append(TimelineEntry(at_ms=to_ms(at), stage=stage, event=event, detail=detail))
