"""Gauges of the whole installation: backlog by tenant and by state, and the last run of the canary.

The router that holds the lease counts the backlog. The others export none, so that sums over routers are right.
"""

from datetime import timedelta

from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge
from mailyard.spool.watch.backlog import Backlog, CountTimedOut, count_backlog, largest
from mailyard.spool.watch.canary import Canary
from mailyard.store.client import Store
from mailyard.store.lease import Lease

OTHERS = "(others)"  # no tenant's name: parentheses are not allowed in one
_LEASE = "census"  # as in 0.2.0: of routers of both versions, one exports the gauges
_COUNT_LIMIT_MS = 20_000
_PAUSE_FACTOR = 20  # the pause after a count is at least this many times as long as the count
_log = get_logger(__name__)


class BacklogGauges:
    """Periodic work; each method is one turn, and returns whether more work is left."""

    def __init__(self, store: Store, settings: RouterSettings, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._most = settings.backlog_tenants
        self._clock = clock
        self._canary = Canary(store)
        length = timedelta(seconds=settings.backlog_seconds * 2 + 10)
        self._lease = Lease(store, _LEASE, settings.instance, length=length, clock=clock)
        self._count_at = clock()

    async def export_backlog(self) -> bool:
        """Export how many messages and legs are open, by state and for the tenants with most of them.

        The count reads one index key of each open row. A count that takes long is repeated less often.
        """
        if not await self._lease.hold():
            self._forget()
            return False
        began = self._clock()
        if began < self._count_at:
            return False
        try:
            self._show(await count_backlog(self._store, _COUNT_LIMIT_MS))
        except CountTimedOut as error:
            self._forget()  # old numbers would look like new ones
            _log.warning("tenants.not_counted", error=str(error))
        ended = self._clock()
        self._count_at = ended + _PAUSE_FACTOR * (ended - began)
        return False

    async def export_canary(self) -> bool:
        """Export the last run of the canary; every router exports the same values."""
        runs = await self._canary.latest()
        for run in runs:
            gauge("mailyard_canary_success_state").labels(run.leg).set(run.succeeded)
            gauge("mailyard_canary_seconds").labels(run.leg).set(run.seconds)
        if runs:
            gauge("mailyard_canary_run_timestamp_seconds").set(max(run.at for run in runs).timestamp())
        return False

    def _show(self, backlog: Backlog) -> None:
        for state, count in backlog.states.items():
            gauge("mailyard_spool_open_mails").labels(state).set(count)
        now = self._clock()
        overdue = (now - backlog.earliest_due).total_seconds() if backlog.earliest_due else 0.0
        gauge("mailyard_spool_overdue_seconds").set(max(0.0, overdue))
        named, others = largest(backlog.tenants, self._most)
        tenants = gauge("mailyard_tenant_waiting_mails")
        tenants.clear()
        for tenant, count in {**named, OTHERS: others}.items():
            tenants.labels(tenant).set(count)

    def _forget(self) -> None:
        gauge("mailyard_spool_open_mails").clear()
        gauge("mailyard_spool_overdue_seconds").set(0)
        gauge("mailyard_tenant_waiting_mails").clear()
