"""Accept messages: nothing else adds a message to the queue. Once `accept` has returned, the message cannot be lost.

Group commit in two stages. The bodies of a batch, then its rows, are written and journaled by a majority while the
next batch gathers. Then the tickets of the batch are published and its ledger entry is written while the next batch is
stored. An unreachable broker does not stop acceptance: the row is the truth, and the router publishes a ticket later.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo.errors import BulkWriteError

from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.runtime.tracing import record_root
from mailyard.spool.acceptance import Acceptance
from mailyard.spool.ids import new_spool_id
from mailyard.spool.ledger.ledger import entry_of, write_entry
from mailyard.spool.row import COLLECTION, RowState, row_of, ticket_of
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import DUPLICATE_KEY, DURABLE, Row, Store, unavailable_when_away
from mailyard.store.group import GroupCommit
from mailyard.store.logorder import insert_rows
from mailyard.store.watch import timed_write

_BATCH_MESSAGES = 200
_BATCH_OCTETS = 8 * 1024 * 1024


class AlreadyAccepted(Exception):
    """A message with the same `dedupe_key` is in the spool."""


@dataclass(frozen=True, slots=True)
class _StoredBatch:
    """A batch whose bodies and rows are safe."""

    spool_ids: list[str]  # "" for generated mail that was accepted before
    tickets: list[Ticket]  # none of messages that are held
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
        """Accept into `store` and publish to the router through `publisher`.

        Args:
            store: where rows and bodies go.
            publisher: publishes the tickets of accepted messages.
            stage: name of the service, for the ledger and the log.
            clock: the time of acceptance.
            test_skip_confirm: answer before anything is stored. This loses mail on purpose, to prove that the chaos
                test detects a loss.

        """
        self.blobs = Blobs(store)
        self._store = store
        self._publisher = publisher
        self._stage = stage
        self._clock = clock
        self._skip_confirm = test_skip_confirm
        self._log = get_logger("spool")
        self._batches = histogram("mailyard_spool_batch_messages")
        self._unpublished = counter("mailyard_spool_unpublished_total")
        self._group: GroupCommit[Acceptance, _StoredBatch, str] = GroupCommit(
            self._commit, self._publish_batch, max_items=_BATCH_MESSAGES, max_octets=_BATCH_OCTETS
        )

    async def start(self) -> None:
        """Do nothing: `mailyard setup` creates the indexes (`mailyard.spool.schema`)."""

    def not_ready_reason(self) -> str | None:
        """Return None: the store reports its own state."""
        return None

    async def drain(self) -> None:
        """Wait until all submitted messages are stored or have failed."""
        await self._group.idle()

    async def close(self) -> None:
        """Nothing is held open."""

    @property
    def backlog(self) -> int:
        """Messages that wait for a batch: how far the store is behind."""
        return self._group.backlog

    def submit(self, acceptance: Acceptance) -> "asyncio.Future[str]":
        """Store a message durably and publish its ticket; the future returns its spool id.

        The errors of the future are those of `accept`. For generated mail that was accepted before, the result is "".
        """
        octets = acceptance.body.octets
        future = self._group.submit(acceptance, len(octets) if octets is not None else 0)
        return _answered_early(future, self._clock()) if self._skip_confirm else future

    async def accept(self, acceptance: Acceptance) -> str:
        """Store a message durably and publish its ticket; return its spool id.

        Raises:
            Unavailable: it could not be stored; the client must try again later.
            AlreadyAccepted: it is generated mail that was accepted before.

        """
        spool_id = await self.submit(acceptance)
        if not spool_id:
            raise AlreadyAccepted(acceptance.dedupe_key)
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
            spool_ids,
            [ticket_of(row) for row in new if row["state"] is RowState.ACTIVE],
            entry_of(batch_id, now, self._stage, new),
            began_ns,
        )

    async def _store_batch(self, bodies: Sequence[Body], rows: list[Row]) -> set[int]:
        """Store bodies and then rows durably; return the numbers of generated messages that were accepted before.

        The fast path waits for the disk once: rows that are durable prove that bodies written before them in the same
        term are durable. If the term has changed, both are written again, each with its own wait.
        """
        term = await self.blobs.put_ahead(bodies)
        if term is not None:
            with unavailable_when_away():
                inserted = await insert_rows(self._store, COLLECTION, rows, DURABLE)
            if inserted.term == term:
                return _known_keys(inserted.refused)
        await self.blobs.put_many(bodies)
        return await self._insert(rows)

    async def _insert(self, rows: list[Row]) -> set[int]:
        with unavailable_when_away():
            try:
                await self._store.collection(COLLECTION).insert_many(rows, ordered=False)
            except BulkWriteError as error:
                if error.details["writeConcernErrors"]:
                    raise Unavailable("MongoDB did not confirm that the rows are safe") from error
                return _known_keys(error.details["writeErrors"])
        return set()

    async def _publish_batch(self, batch: _StoredBatch) -> list[str]:
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
        """Write the ledger entry; if that fails, the ledger auditor makes it from the rows later."""
        try:
            await write_entry(self._store, entry)
        except Unavailable as error:
            self._log.warning("ledger.entry_missing", batch=str(entry["_id"]), error=str(error))


def _new_row(acceptance: Acceptance, batch_id: ObjectId, now: datetime) -> Row:
    spool_id = new_spool_id(now)
    return row_of(acceptance, spool_id, batch_id, now, acceptance.prefix(spool_id, now))


def _known_keys(refused: Sequence[Row]) -> set[int]:
    """Return the numbers of rows whose `dedupe_key` was accepted before.

    A row whose id is in the store is from an attempt of this process whose answer was lost: ids are not used twice.
    """
    known = set()
    for failure in refused:
        if failure["code"] != DUPLICATE_KEY:
            raise Unavailable(f"MongoDB refused a row: {failure['errmsg'][:200]}")
        if "_id" not in failure["keyPattern"]:
            known.add(failure["index"])
    return known


def _answered_early(future: "asyncio.Future[str]", now: datetime) -> "asyncio.Future[str]":
    """Answer at once, whether the storing succeeds or fails."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    early: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    early.set_result(new_spool_id(now))
    return early
