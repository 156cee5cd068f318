"""Delete the mail of removed accounts after their retention time.

The row of a removed account stays until no queued message can arrive for it any more; its mailboxes are purged once a
day until then. A stop at any point leaves the row, and the next turn goes on.
"""

from datetime import timedelta

from mailyard.directory.removed import RemovedAccounts
from mailyard.mailbox.retention import purge_account
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.logs import get_logger
from mailyard.store.client import Store
from mailyard.store.lease import Lease

_MESSAGES_AT_A_TIME = 1_000
_LOOK_AGAIN = timedelta(days=1)
_LEASE = timedelta(seconds=60)
_log = get_logger(__name__)


class AccountPurge:
    """Periodic work of the router that holds the lease."""

    def __init__(self, store: Store, instance: str, *, clock: Clock = now_utc) -> None:
        self._store = store
        self._clock = clock
        self._removed = RemovedAccounts(store)
        self._lease = Lease(store, "removed-accounts", instance, length=_LEASE, clock=clock)

    async def work(self) -> bool:
        """Delete a portion of one account; return whether more work is left. Raises Unavailable."""
        if not await self._lease.hold():
            return False
        now = self._clock()
        removed = await self._removed.entry_due(now)
        if removed is None:
            return False
        if not await self._removed.begin_purge(removed):
            return True  # it was restored meanwhile
        if await purge_account(self._store, removed.id, _MESSAGES_AT_A_TIME):
            return True
        if now >= removed.until:
            await self._removed.forget(removed)
        else:
            await self._removed.look_again(removed, min(now + _LOOK_AGAIN, removed.until))
        _log.info("router.account_purged", account=str(removed.id), tenant=removed.tenant)
        return True
