"""Depth of the queues in mails, and the age of the oldest mail in seconds.

One AMQP message carries up to fifty tickets, so the count of the broker is not the depth. The broker knows exactly how
many messages wait. Publishers and consumers count the tickets and messages that went in and out; the mean number of
tickets in a waiting message follows. A process that was killed loses both counts in the same ratio.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailyard.broker.connection import Broker, QueueDepth
from mailyard.broker.pipeline import Queue, Route
from mailyard.runtime.clock import from_ms
from mailyard.spool.row import COLLECTION, RowState
from mailyard.spool.watch.backlog import EVER
from mailyard.spool.watch.progress import QueueProgress, live, read_progress
from mailyard.store.client import Store, unavailable_when_away

_ROUTES = (None, *Route)  # all values: one index key of each is read


@dataclass(frozen=True, slots=True)
class Depth:
    """One queue: waiting mails, age of the oldest, and number of consumers."""

    queue: Queue
    mails: int
    oldest_seconds: float
    messages: int
    consumers: int


async def read_depths(store: Store, broker: Broker, now: datetime) -> list[Depth]:
    """Measure every queue.

    Raises:
        Unavailable: the broker or the store is unreachable.

    """
    depths = await asyncio.gather(*(broker.depth(queue) for queue in Queue))
    progress, oldest = await asyncio.gather(read_progress(store, now), oldest_open(store))
    return [
        depth_of(queue, depth, progress[queue], oldest, now)
        for queue, depth in zip(Queue, depths, strict=True)
    ]


def depth_of(
    queue: Queue,
    depth: QueueDepth,
    reports: Sequence[QueueProgress],
    oldest_open: datetime | None,
    now: datetime,
) -> Depth:
    """Turn the broker's messages into mails, and the consumers' reports into an age: pure."""
    mails = round(depth.messages * tickets_per_message(reports))
    oldest = _head(reports, oldest_open, now) if depth.messages else None
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    return Depth(queue, mails, age, depth.messages, depth.consumers)


def tickets_per_message(reports: Sequence[QueueProgress]) -> float:
    """Return the mean number of tickets in the messages that wait; the mean of all published where few wait."""
    tickets_out = sum(report.tickets_out for report in reports)
    messages_out = sum(report.messages_out for report in reports)
    waiting_tickets = tickets_out - sum(report.tickets_in for report in reports)
    waiting_messages = messages_out - sum(report.messages_in for report in reports)
    if waiting_messages > 0 and waiting_tickets >= waiting_messages:
        return waiting_tickets / waiting_messages
    return tickets_out / messages_out if messages_out else 1.0


def _head(reports: Sequence[QueueProgress], oldest_open: datetime | None, now: datetime) -> datetime | None:
    """Return the earliest possible release time of the first waiting ticket.

    It is not before the release of the ticket that was taken last, nor before the release of the oldest open row. The
    first bound alone may be long ago, when no ticket arrived for a while.
    """
    taken = [report.taken_until_ms for report in live(reports, now) if report.taken_until_ms is not None]
    bounds = [from_ms(min(taken))] if taken else []
    return max([*bounds, oldest_open] if oldest_open else bounds, default=None)


async def oldest_open(store: Store) -> datetime | None:
    """Return when the oldest active row was released: the first waiting ticket of a queue without consumers.

    Raises:
        Unavailable: the store is unreachable.

    """
    query = {"state": RowState.ACTIVE, "route": {"$in": _ROUTES}, "due_at": {"$gte": EVER}}
    with unavailable_when_away():
        row = await store.collection(COLLECTION).find_one(query, {"due_at": 1}, sort=[("due_at", 1)])
    return row["due_at"] if row else None
