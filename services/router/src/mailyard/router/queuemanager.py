"""The queue manager: release due rows, reissue lost tickets, measure queues, audit the ledger.

Several routers may release at the same time, because rows are claimed. The router that holds the lease does the rest.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge
from mailyard.spool.ledger.audit import LedgerAuditor
from mailyard.spool.ledger.ledger import COLUMNS, EXPANDED
from mailyard.spool.queue.release import Release, Released
from mailyard.spool.timeline import append_event
from mailyard.spool.watch.depth import read_depths
from mailyard.spool.watch.horizon import path_horizons, queue_horizon
from mailyard.spool.watch.progress import read_progress
from mailyard.store.client import Store
from mailyard.store.lease import Lease

_LEASE = timedelta(seconds=30)
_LOGGED_LINES = 20  # of one audit; `lines` says how many there are
_log = get_logger(__name__)


class QueueManager:
    """Periodic work; each method is one turn, and returns whether more work is left."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        publisher: TicketPublisher,
        settings: RouterSettings,
        *,
        clock: Clock = now_utc,
    ) -> None:
        self._store = store
        self._broker = broker
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._release = Release(store)
        self._auditor = LedgerAuditor(store, clock=clock)
        self._lease = Lease(store, "housekeeping", settings.instance, length=_LEASE, clock=clock)

    async def release_due(self) -> bool:
        """Release deferred rows that are due."""
        now = self._clock()
        released = await self._release.due(now, self._settings.release_limit)
        await self._publish(released, now, "message.released")
        return len(released) == self._settings.release_limit

    async def reconcile(self) -> bool:
        """Publish new tickets for rows that have lost their ticket."""
        if not await self._lease.hold():
            return False
        now = self._clock()
        progress = await read_progress(self._store, now)
        depths = {queue: await self._broker.depth(queue) for queue in Queue}
        horizons = path_horizons(
            {queue: queue_horizon(depths[queue], progress[queue], now) for queue in Queue}
        )
        lost = await self._release.lost(horizons, now, self._settings.release_limit)
        counter("mailyard_router_reissued_total").inc(len(lost))
        await self._publish(lost, now, "message.reissued")
        return len(lost) >= self._settings.release_limit

    async def measure(self) -> bool:
        """Export depth and age of each queue."""
        for depth in await read_depths(self._store, self._broker, self._clock()):
            gauge("mailyard_queue_depth_mails").labels(depth.queue).set(depth.mails)
            gauge("mailyard_queue_oldest_seconds").labels(depth.queue).set(depth.oldest_seconds)
            gauge("mailyard_queue_broker_messages").labels(depth.queue).set(depth.messages)
            gauge("mailyard_queue_consumers").labels(depth.queue).set(depth.consumers)
        return False

    async def audit_ledger(self) -> bool:
        """Compare what was accepted with what became of it, and export the difference."""
        if not await self._lease.hold():
            self._auditor.forget()
            gauge("mailyard_mail_unaccounted").set(0)  # the holder of the lease exports it
            gauge("mailyard_ledger_recipients").clear()
            return False
        audit = await self._auditor.audit(self._settings.instance)
        counter("mailyard_ledger_audits_total").inc()
        gauge("mailyard_mail_unaccounted").set(audit.unaccounted)
        for column in ("accepted", EXPANDED, *COLUMNS):
            gauge("mailyard_ledger_recipients").labels(column).set(audit.totals.get(column, 0))
        if audit.recovered:
            _log.info("ledger.entries_recovered", batches=audit.recovered)
        for line in audit.wrong[:_LOGGED_LINES]:
            _log.error(
                "ledger.unaccounted",
                tenant=line.tenant,
                minute=line.since.isoformat(),
                accepted=line.accepted,
                expanded=line.expanded,
                became=dict(line.became),
                unaccounted=line.unaccounted,
                lines=len(audit.wrong),
            )
        return False

    async def _publish(self, released: list[Released], now: datetime, event: str) -> None:
        by_queue: dict[Queue, list[Ticket]] = defaultdict(list)
        for queue, ticket in released:
            append_event(ticket, now, "router", event)
            by_queue[queue].append(ticket)
        for queue, tickets in by_queue.items():
            await self._publisher.publish(queue, tickets)
