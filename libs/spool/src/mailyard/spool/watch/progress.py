"""Progress of consumers and publishers: what distinguishes a waiting ticket from a lost one, and gives depth in mails.

Every process writes, each second, one row for each queue that it takes from or publishes to. A TTL index removes the
rows of processes that have ended. A row older than `LIVE` does not describe the present.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from pymongo import UpdateOne, WriteConcern

from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "progress"
LIVE = timedelta(seconds=10)
_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """Progress of one process on one queue; counts are since the process began. A row has the same fields."""

    at: datetime
    consumes: bool = False
    taken_until_ms: int | None = None  # release time of the newest ticket taken
    oldest_in_hand_ms: int | None = None  # release time of the oldest ticket taken and not ended
    tickets_in: int = 0
    messages_in: int = 0
    tickets_out: int = 0
    messages_out: int = 0


_FIELDS = tuple(field.name for field in fields(QueueProgress))


class ProgressReporter:
    """Writes the rows of one process (a `Component`)."""

    name = "progress"

    def __init__(
        self,
        store: Store,
        instance: str,
        *,
        consumers: Sequence[TicketConsumer] = (),
        publisher: TicketPublisher | None = None,
        clock: Clock = now_utc,
    ) -> None:
        self._store = store
        self._instance = instance
        self._consumers = consumers
        self._publisher = publisher
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._log = get_logger("progress")

    async def start(self) -> None:
        """Start to report."""
        self._task = asyncio.create_task(self._report_always())

    def not_ready_reason(self) -> str | None:
        """Why the process should get no work: its reporting has ended."""
        return "progress is not reported any more" if self._task is not None and self._task.done() else None

    async def drain(self) -> None:
        """Go on: the tickets that are being drained are still in hand."""

    async def close(self) -> None:
        """Report once more and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._report_or_log()

    async def _report_always(self) -> None:
        while True:
            await self._report_or_log()
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def _report_or_log(self) -> None:
        try:
            await self.report()
        except Unavailable as error:
            self._log.warning("progress.unreported", error=str(error))

    async def report(self) -> None:
        """Write the rows once.

        Raises:
            Unavailable: the store is unreachable.

        """
        rows = self._rows()
        if not rows:
            return
        updates = [
            UpdateOne({"_id": f"{self._instance}/{queue}"}, {"$set": row}, upsert=True)
            for queue, row in rows.items()
        ]
        with unavailable_when_away():
            await self._store.db.get_collection(COLLECTION, write_concern=WriteConcern(w=1)).bulk_write(
                updates, ordered=False
            )

    def _rows(self) -> dict[Queue, Row]:
        now = self._clock()
        rows: dict[Queue, Row] = {}
        for queue, published in (self._publisher.progress() if self._publisher else {}).items():
            rows[queue] = {
                "queue": queue,
                "at": now,
                "tickets_out": published.tickets_out,
                "messages_out": published.messages_out,
            }
        for consumer in self._consumers:
            taken = consumer.progress()
            rows.setdefault(taken.queue, {}).update(
                queue=taken.queue,
                at=now,
                consumes=True,
                taken_until_ms=taken.taken_until_ms or None,
                oldest_in_hand_ms=taken.oldest_in_hand_ms,
                tickets_in=taken.tickets_in,
                messages_in=taken.messages_in,
            )
        return rows


async def read_progress(store: Store, now: datetime) -> dict[Queue, list[QueueProgress]]:
    """Return the latest reports of all processes by queue, also of ended processes as long as their rows exist.

    Raises:
        Unavailable: the store is unreachable.

    """
    found: dict[Queue, list[QueueProgress]] = {queue: [] for queue in Queue}
    with unavailable_when_away():
        async for row in store.collection(COLLECTION).find({"at": {"$lte": now + LIVE}}):
            known = {name: row[name] for name in _FIELDS if name in row}  # later versions may write more
            found[Queue(row["queue"])].append(QueueProgress(**known))
    return found


def live(reports: Sequence[QueueProgress], now: datetime) -> list[QueueProgress]:
    """Return the reports of live consumers."""
    return [report for report in reports if report.consumes and now - report.at <= LIVE]
