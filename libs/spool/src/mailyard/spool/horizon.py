"""Which rows have lost their ticket: pure.

Queues are first-in-first-out. So whatever was released well before the oldest ticket that a queue can still hold, or
that a consumer of it has in hand, is in that queue no more. A row is lost when that is true of every queue on its way. A queue
that is long explains much, an empty one nothing, and no fixed time-out is needed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from mailyard.broker.connection import QueueDepth
from mailyard.broker.topology import Queue
from mailyard.runtime.clock import from_ms
from mailyard.spool.progress import QueueProgress, live

# Tickets pass each other by as much as batches and retries within a consumer take.
MARGIN = timedelta(seconds=15)


class Way(StrEnum):
    """What is known of a row's way from its row alone."""

    LOCAL = "local"  # a leg for mailboxes
    REMOTE = "remote"  # a leg for the Internet
    EDGE_LOCAL = "edge-local"  # before the router, or on its way to mailboxes: route `edge`
    EDGE = "edge"  # of 0.2.0, and not known to be routed


QUEUES: Mapping[Way, tuple[Queue, ...]] = {
    Way.LOCAL: (Queue.LOCAL_FILTER, Queue.LOCAL_DELIVER),
    Way.REMOTE: (Queue.REMOTE_FILTER, Queue.REMOTE_SEND),
    Way.EDGE_LOCAL: (Queue.SMTP_IN_ROUTE, Queue.LOCAL_FILTER, Queue.LOCAL_DELIVER),
    Way.EDGE: tuple(queue for queue in Queue if queue is not Queue.DEAD),
}


def queue_horizon(depth: QueueDepth, reports: Sequence[QueueProgress], now: datetime) -> datetime | None:
    """Return the release time before which no ticket is in a queue or in hand; None: any ticket may be.

    Args:
        depth: what the broker says of the queue now.
        reports: what its consumers and publishers said last.
        now: the present.

    """
    consumers = live(reports, now)
    in_hand = [report.oldest_in_hand_ms for report in consumers if report.oldest_in_hand_ms is not None]
    bounds = [from_ms(each) for each in in_hand]
    if depth.messages:
        taken = [report.taken_until_ms for report in consumers if report.taken_until_ms is not None]
        if not taken:
            return None
        bounds.append(from_ms(min(taken)))
    return min(bounds, default=now)


def way_horizons(horizons: Mapping[Queue, datetime | None]) -> dict[Way, datetime | None]:
    """Return for each way the release time before which a ticket is lost, margin included; None: none is."""
    return {way: _lowest([horizons[queue] for queue in queues]) for way, queues in QUEUES.items()}


def _lowest(bounds: list[datetime | None]) -> datetime | None:
    known = [bound for bound in bounds if bound is not None]
    return min(known) - MARGIN if len(known) == len(bounds) else None
