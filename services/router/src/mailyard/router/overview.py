"""What one router tells for all: whose mail waits, and what the canary saw.

Whoever holds the lease counts; the others show nothing, so that sums over routers are right.
"""

from collections.abc import Mapping
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
_COUNT_LIMIT_MS = 20_000
_REST = 20  # pauses are at least so many times as long as the last count took
_log = get_logger(__name__)


class Overview:
    """Periodic duties; each method is one turn and says whether there was more to do."""

    def __init__(self, store: Store, settings: RouterSettings, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._most = settings.census_tenants
        self._clock = clock
        self._canary = Canary(store)
        length = timedelta(seconds=settings.census_seconds * 2 + 10)
        self._lease = Lease(store, "census", settings.instance, length=length, clock=clock)
        self._shown: set[str] = set()
        self._count_at = clock()

    async def count(self) -> bool:
        """Export how many mails have not ended, by state and for the tenants with most of them.

        The count reads one index key of each open row. Where that takes long it is done less often.
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
        self._count_at = ended + _REST * (ended - began)
        return False

    async def tell_canary(self) -> bool:
        """Export the last run of the canary; every router tells the same."""
        runs = await self._canary.latest()
        for run in runs:
            gauge("mailyard_canary_success_state").labels(run.leg).set(run.succeeded)
            gauge("mailyard_canary_seconds").labels(run.leg).set(run.seconds)
        if runs:
            gauge("mailyard_canary_run_timestamp_seconds").set(max(run.at for run in runs).timestamp())
        return False

    def _show(self, census: Backlog) -> None:
        for state, count in census.states.items():
            gauge("mailyard_spool_open_mails").labels(state).set(count)
        now = self._clock()
        overdue = (now - census.earliest_due).total_seconds() if census.earliest_due else 0.0
        gauge("mailyard_spool_overdue_seconds").set(max(0.0, overdue))
        named, others = largest(census.tenants, self._most)
        self._show_tenants({**named, OTHERS: others})

    def _show_tenants(self, counts: Mapping[str, int]) -> None:
        tenants = gauge("mailyard_tenant_waiting_mails")
        for tenant in self._shown - counts.keys():
            tenants.remove(tenant)
        for tenant, count in counts.items():
            tenants.labels(tenant).set(count)
        self._shown = set(counts)

    def _forget(self) -> None:
        gauge("mailyard_spool_open_mails").clear()
        gauge("mailyard_spool_overdue_seconds").set(0)
        self._show_tenants({})
