"""The quotas of accounts by id, with a cache: delivery and IMAP ask for them before they store a message."""

import time
from collections.abc import Collection

from bson import ObjectId

from mailyard.directory.accounts import COLLECTION
from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.store.client import Store, unavailable_when_away

_SECONDS = 30.0  # after which a changed quota holds everywhere
_ENTRIES = 50_000
_NO_LIMIT = -1


class AccountQuotas:
    """Octets that accounts may hold."""

    def __init__(self, store: Store, *, clock: Monotonic = time.monotonic) -> None:
        """Read from `store`; `clock` gives seconds and never goes back."""
        self._rows = store.collection(COLLECTION)
        self._known: TtlCache[ObjectId, int] = TtlCache(_ENTRIES, clock)

    async def of(self, accounts: Collection[ObjectId]) -> dict[ObjectId, int]:
        """Return the quotas of those accounts that have one, with one query for all that are not cached.

        Raises:
            Unavailable: the store is unreachable.

        """
        known = {account: self._known.get(account) for account in accounts}
        missing = [account for account, quota in known.items() if quota is None]
        found = await self.entry_quotas(missing) if missing else {}
        for account in missing:
            known[account] = found.get(account, _NO_LIMIT)
            self._known.put(account, found.get(account, _NO_LIMIT), _SECONDS)
        return {account: quota for account, quota in known.items() if quota is not None and quota >= 0}

    async def entry_quotas(self, accounts: Collection[ObjectId]) -> dict[ObjectId, int]:
        """Read the quotas of accounts of all tenants by id, without the cache. Raises Unavailable."""
        query = {"_id": {"$in": list(accounts)}, "quota_bytes": {"$ne": None}}
        with unavailable_when_away():
            rows = self._rows.find(query, {"quota_bytes": 1})
            return {row["_id"]: row["quota_bytes"] async for row in rows}
