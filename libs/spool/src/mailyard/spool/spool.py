"""The one door into the queue: after `accept` has returned, the message cannot be lost.

Group commit in two stages. A batch's bodies, then its rows, are written and journaled by a majority while the next
batch gathers; then the batch's tickets are published and its ledger entry is written while the next batch is stored.
A broker that is away does not stop acceptance: the row is the truth, and the reconciler publishes it later.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo.errors import BulkWriteError

from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.broker.topology import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.runtime.tracing import record_root
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger import AcceptedBook, entry_of
from mailyard.spool.row import COLLECTION, row_of, ticket_of
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import DUPLICATE_KEY, Row, Store, unavailable_when_away
from mailyard.store.group import GroupCommit
from mailyard.store.logorder import insert_durably
from mailyard.store.watch import timed_write

_BATCH_MESSAGES = 200
_BATCH_OCTETS = 8 * 1024 * 1024


class AlreadyAccepted(Exception):
    """A message with the same `bounce_of` is in the spool."""


@dataclass(frozen=True, slots=True)
class _StoredBatch:
    """A batch whose bodies and rows are safe."""

    spool_ids: list[str]  # "" for a bounce that was there already
    tickets: list[Ticket]
    entry: Row
    began_ns: int


class Spool:
    """Accepts messages (a `Component`; it owns nothing that must be closed)."""

    name = "spool"

    def __init__(
        self,
        store: Store,
        publisher: TicketPublisher,
        *,
        stage: str,
        clock: Clock = now_utc,
        test_skip_confirm: bool = False,
    ) -> None:
        """Accept into `store` and tell the router through `publisher`.

        Args:
            store: where rows and bodies go.
            publisher: announces accepted messages.
            stage: name of the service, for the ledger and the log.
            clock: the time of acceptance.
            test_skip_confirm: say yes before anything is stored. It loses mail, on purpose: it is there to
                prove that the chaos test sees a loss.

        """
        self.blobs = Blobs(store)
        self._store = store
        self._publisher = publisher
        self._entries = AcceptedBook(store)
        self._stage = stage
        self._clock = clock
        self._skip_confirm = test_skip_confirm
        self._log = get_logger("spool")
        self._batches = histogram("mailyard_spool_batch_messages")
        self._unpublished = counter("mailyard_spool_unpublished_total")
        self._group: GroupCommit[Acceptance, _StoredBatch, str] = GroupCommit(
            self._commit, self._announce, max_items=_BATCH_MESSAGES, max_octets=_BATCH_OCTETS
        )

    async def start(self) -> None:
        """Nothing to do: indexes are the installer's business (`mailyard.spool.schema`)."""

    def not_ready_reason(self) -> str | None:
        """It is as ready as its store."""
        return None

    async def drain(self) -> None:
        """Wait for what has been handed in."""
        await self._group.idle()

    async def close(self) -> None:
        """Nothing is held open."""

    @property
    def backlog(self) -> int:
        """Messages that wait for a batch: a measure of how far the store lags behind."""
        return self._group.backlog

    def submit(self, acceptance: Acceptance) -> "asyncio.Future[str]":
        """Store a message for good and announce it; the future gives its spool id.

        The future's errors are those of `accept`; for a bounce that was accepted before it gives "".
        """
        octets = acceptance.body.octets
        future = self._group.submit(acceptance, len(octets) if octets is not None else 0)
        return _answered_early(future, self._clock()) if self._skip_confirm else future

    async def accept(self, acceptance: Acceptance) -> str:
        """Store a message for good and announce it; return its spool id.

        Raises:
            Unavailable: it could not be stored; the client must try again later.
            AlreadyAccepted: it is a bounce that was accepted before.

        """
        spool_id = await self.submit(acceptance)
        if not spool_id:
            raise AlreadyAccepted(acceptance.bounce_of)
        return spool_id

    async def _commit(self, batch: Sequence[Acceptance]) -> _StoredBatch:
        began_ns = time.time_ns()
        self._batches.observe(len(batch))
        batch_id, now = ObjectId(), self._clock()
        rows = [_new_row(acceptance, batch_id, now) for acceptance in batch]
        with timed_write("accept"):
            known = await self._store_batch([acceptance.body for acceptance in batch], rows)
        new = [row for number, row in enumerate(rows) if number not in known]
        spool_ids = ["" if number in known else row["_id"] for number, row in enumerate(rows)]
        return _StoredBatch(
            spool_ids, [ticket_of(row) for row in new], entry_of(batch_id, now, self._stage, new), began_ns
        )

    async def _store_batch(self, bodies: Sequence[Body], rows: list[Row]) -> set[int]:
        """Make bodies and then rows safe; return the numbers of bounces that were there already.

        The fast way waits for the disk once: rows that are safe prove that bodies written before them in the same
        term are. Where that does not hold, both are written again, each with its own wait; what is there stays.
        """
        term = await self.blobs.put_ahead(bodies)
        if term is not None:
            with unavailable_when_away():
                inserted = await insert_durably(self._store, COLLECTION, rows)
            if inserted.term == term:
                return _known_bounces(inserted.refused)
        await self.blobs.put_many(bodies)
        return await self._insert(rows)

    async def _insert(self, rows: list[Row]) -> set[int]:
        with unavailable_when_away():
            try:
                await self._store.collection(COLLECTION).insert_many(rows, ordered=False)
            except BulkWriteError as error:
                if error.details["writeConcernErrors"]:
                    raise Unavailable("MongoDB did not confirm that the rows are safe") from error
                return _known_bounces(error.details["writeErrors"])
        return set()

    async def _announce(self, batch: _StoredBatch) -> list[str]:
        await asyncio.gather(self._publish(batch.tickets), self._note(batch.entry))
        for ticket in batch.tickets:
            record_root(
                f"{self._stage} accept", ticket, batch.began_ns, {"mailyard.batch": len(batch.tickets)}
            )
        return batch.spool_ids

    async def _publish(self, tickets: list[Ticket]) -> None:
        if not tickets:
            return
        try:
            await self._publisher.publish(Queue.SMTP_IN_ROUTE, tickets)
        except PublishFailed as error:
            self._unpublished.inc(len(tickets))
            self._log.warning("spool.unpublished", tickets=len(tickets), error=str(error))

    async def _note(self, entry: Row) -> None:
        """Write the ledger entry; if that fails, the ledger's keeper makes it from the rows later."""
        try:
            await self._entries.note(entry)
        except Unavailable as error:
            self._log.warning("ledger.entry_missing", batch=str(entry["_id"]), error=str(error))


def _new_row(acceptance: Acceptance, batch_id: ObjectId, now: datetime) -> Row:
    spool_id = new_spool_id(now)
    return row_of(acceptance, spool_id, batch_id, now, acceptance.prefix(spool_id, now))


def _known_bounces(refused: Sequence[Row]) -> set[int]:
    """Return the numbers of rows that stand for a bounce which was accepted before.

    A row whose own id is there already is ours from a try whose answer was lost: ids are never used twice.
    """
    known = set()
    for failure in refused:
        if failure["code"] != DUPLICATE_KEY:
            raise Unavailable(f"MongoDB refused a row: {failure['errmsg'][:200]}")
        if "_id" not in failure["keyPattern"]:
            known.add(failure["index"])
    return known


def _answered_early(future: "asyncio.Future[str]", now: datetime) -> "asyncio.Future[str]":
    """Say yes at once, and let the storing succeed or fail unheard."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    early: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    early.set_result(new_spool_id(now))
    return early
