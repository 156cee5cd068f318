"""Count open messages and legs by tenant and by state, by one walk over the index of open rows.

The count covers all tenants on purpose: an operator asks whose mail fills the queues. It returns numbers only.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo.errors import ExecutionTimeout

from mailyard.spool.row import COLLECTION, RowState
from mailyard.store.client import Row, Store, unavailable_when_away

_OPEN = (RowState.ACTIVE, RowState.DEFERRED, RowState.HELD)
EVER = datetime(1970, 1, 1, tzinfo=UTC)  # with a bound the index alone answers; $exists reads the rows


@dataclass(frozen=True, slots=True)
class Backlog:
    """Open rows by tenant and by state, and when the earliest deferred one is, or was, due."""

    tenants: Mapping[str, int]
    states: Mapping[RowState, int]
    earliest_due: datetime | None


class CountTimedOut(Exception):
    """There are more open rows than can be counted within the time limit."""


async def count_backlog(store: Store, limit_ms: int) -> Backlog:
    """Count open rows; the server stops after `limit_ms`.

    Raises:
        CountTimedOut: the time limit was reached.
        Unavailable: the store is unreachable.

    """
    rows = store.collection(COLLECTION)
    tenants: Counter[str] = Counter()
    states = dict.fromkeys(_OPEN, 0)
    earliest: datetime | None = None
    with unavailable_when_away():
        try:
            cursor = await rows.aggregate(_BY_TENANT, maxTimeMS=limit_ms)
            async for group in cursor:
                state = RowState(group["_id"]["state"])
                tenants[group["_id"]["tenant"]] += group["count"]
                states[state] += group["count"]
                if state is RowState.DEFERRED:
                    earliest = min(filter(None, (earliest, group["due"])))
        except ExecutionTimeout as error:
            raise CountTimedOut(f"open rows could not be counted within {limit_ms} ms") from error
    return Backlog(tenants, states, earliest)


_BY_TENANT: list[Row] = [
    {"$match": {"state": {"$in": list(_OPEN)}, "due_at": {"$gte": EVER}}},
    {
        "$group": {
            "_id": {"state": "$state", "tenant": "$tenant"},
            "count": {"$sum": 1},
            "due": {"$min": "$due_at"},
        }
    },
]


def largest(tenants: Mapping[str, int], most: int) -> tuple[dict[str, int], int]:
    """Return the `most` tenants with most mails, equal ones by name, and the sum of all others."""
    ranked = sorted(tenants.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:most]), sum(count for _, count in ranked[most:])
