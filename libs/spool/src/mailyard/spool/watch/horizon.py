"""Decide which rows have lost their ticket: pure.

Queues are first-in-first-out. A ticket that was released well before the oldest ticket which a queue can still hold,
or which a consumer of the queue has in hand, is not in that queue. A row has lost its ticket when this is true of every
queue on its path. A long queue therefore gives its tickets time, an empty queue gives none, and no time-out is needed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from mailyard.broker.connection import QueueDepth
from mailyard.broker.pipeline import Queue, QueuePath
from mailyard.runtime.clock import from_ms
from mailyard.spool.watch.progress import QueueProgress, live

# Tickets overtake each other by as much time as batches and retries within a consumer take.
MARGIN = timedelta(seconds=15)


def queue_horizon(depth: QueueDepth, reports: Sequence[QueueProgress], now: datetime) -> datetime | None:
    """Return the release time before which no ticket is in a queue or in hand; None: any ticket may be.

    Args:
        depth: the depth that the broker reports now.
        reports: the latest reports of consumers and publishers of the queue.
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


def path_horizons(horizons: Mapping[Queue, datetime | None]) -> dict[QueuePath, datetime | None]:
    """Return for each path the release time before which a ticket is lost, margin included; None: no ticket is lost."""
    return {path: _lowest([horizons[queue] for queue in path.queues]) for path in QueuePath}


def _lowest(bounds: list[datetime | None]) -> datetime | None:
    known = [bound for bound in bounds if bound is not None]
    return min(known) - MARGIN if len(known) == len(bounds) else None
