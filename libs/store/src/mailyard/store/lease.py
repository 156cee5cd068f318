"""A lease: one holder at a time among the pods, by a row with an end.

For periodic work that one process should do, and that is correct even if two do it: a holder whose clock or network
stands still may believe for a moment longer that it holds the lease.
"""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from mailyard.runtime.clock import Clock, now_utc
from mailyard.store.client import Store, unavailable_when_away

COLLECTION = "leases"


class Lease:
    """One process's claim to a lease."""

    def __init__(
        self, store: Store, name: str, holder: str, *, length: timedelta, clock: Clock = now_utc
    ) -> None:
        """Claim lease `name` for `holder`; a claim lasts `length` and is renewed by asking again."""
        self._store = store
        self._name = name
        self._holder = holder
        self._length = length
        self._clock = clock

    async def hold(self) -> bool:
        """Take or renew the lease; return whether this process holds it now.

        Raises:
            Unavailable: the store is unreachable.

        """
        now = self._clock()
        leases = self._store.collection(COLLECTION)
        with unavailable_when_away():
            try:
                result = await leases.update_one(
                    {"_id": self._name, "$or": [{"holder": self._holder}, {"until": {"$lt": now}}]},
                    {"$set": {"holder": self._holder, "until": now + self._length}},
                    upsert=True,
                )
            except DuplicateKeyError:
                return False  # another process holds it: its row exists
        return bool(result.matched_count or result.upserted_id)
