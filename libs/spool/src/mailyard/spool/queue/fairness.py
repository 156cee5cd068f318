"""Fair shares of one release: a site or a tenant with a million due messages does not delay the others."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from mailyard.spool.row import COLLECTION, RowState
from mailyard.store.client import Row, Store, unavailable_when_away

_STEPS = 20  # queries of one turn of a walk


def capped(rows: Sequence[Row], most: int) -> list[Row]:
    """Return the rows without those beyond `most` of one site or of one tenant."""
    kept: list[Row] = []
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        keys = [(field, row[field]) for field in ("site", "tenant") if row.get(field)]
        if all(counts[key] < most for key in keys):
            counts.update(keys)
            kept.append(row)
    return kept


class Walk:
    """Goes round the sites, or the tenants, that have due rows, a few rows of each.

    It is a walk over an index: what one site has beyond its share is skipped and not read.
    """

    def __init__(self, store: Store, field: str) -> None:
        """Walk over the values of `field`, which is `site` or `tenant`."""
        self._store = store
        self._field = field
        self._reached = ""

    async def take(self, now: datetime, most: int) -> list[str]:
        """Return ids of at most `most` due rows, and go on behind them at the next call.

        Raises:
            Unavailable: the store is unreachable.

        """
        ids: list[str] = []
        share = -(-most // _STEPS)
        round_ended = False
        for _ in range(_STEPS):
            wanted = min(share, most - len(ids))
            if wanted <= 0:
                break
            found = await self._next(now, wanted)
            ids += [row["_id"] for row in found]
            if not found and (round_ended or not self._reached):
                break
            round_ended = round_ended or not found
            self._reached = found[-1][self._field] if found else ""
        return ids

    async def _next(self, now: datetime, limit: int) -> list[Row]:
        query = {"state": RowState.DEFERRED, self._field: {"$gt": self._reached}, "due_at": {"$lte": now}}
        rows = self._store.collection(COLLECTION)
        with unavailable_when_away():
            found = rows.find(query, {"_id": 1, self._field: 1}, batch_size=limit)
            return await found.sort([(self._field, 1), ("due_at", 1)]).limit(limit).to_list()
