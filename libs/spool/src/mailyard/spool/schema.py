"""The indexes of the spool and the ledger; creating them again changes nothing."""

from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, IndexModel

from mailyard.spool import row
from mailyard.spool.ledger import ledger
from mailyard.spool.row import HELD_INDEX, HELD_TENANT_INDEX, OPEN_INDEX, RowState
from mailyard.spool.watch import progress
from mailyard.store import bodychecks
from mailyard.store.blobs import Blobs
from mailyard.store.client import Row, Store
from mailyard.store.indexes import create_indexes, ensure_indexes

_PROGRESS_SECONDS = 3600


def _index(name: str, keys: Sequence[str], *, of: Row | None = None, **options: Any) -> IndexModel:
    """Describe an ascending index; `of`: of these rows only, so that the others cost nothing in it."""
    if of is not None:
        options["partialFilterExpression"] = of
    return IndexModel([(key, ASCENDING) for key in keys], name=name, **options)


def _with(field: str) -> Row:
    return {field: {"$exists": True}}


_OPEN, _DEFERRED, _HELD = _with("due_at"), {"state": RowState.DEFERRED}, {"state": RowState.HELD}

INDEXES: dict[str, list[IndexModel]] = {
    row.COLLECTION: [
        # Lost tickets are looked for by route, release time and lease; the tenant is there for the backlog by tenant,
        # which reads the index alone.
        _index(OPEN_INDEX, ("state", "route", "due_at", "lease.until", "tenant"), of=_OPEN),
        _index("due_at", ("due_at",), of=_DEFERRED),
        _index("site_due_at", ("site", "due_at"), of=_DEFERRED),
        _index("tenant_due_at", ("tenant", "due_at"), of=_DEFERRED),
        # Portions of held mail, by account or by tenant, in the order of acceptance.
        _index(HELD_INDEX, ("tenant", "client.account", "_id"), of=_HELD),
        _index(HELD_TENANT_INDEX, ("tenant", "_id"), of=_HELD),
        # For the sweep of bodies: who still needs one.
        _index("blob", ("blob",), of=_OPEN),
        _index("blob_bounce", ("blob", "bounce_at"), of=_with("bounce_at")),
        _index("bounce", ("bounce_at",), of=_with("bounce_at")),
        _index("delay", ("delay_at",), of=_with("delay_at")),
        # `bounce_of` is unique for reports of 0.3.0, and against them.
        _index("dedupe_key", ("dedupe_key",), of=_with("dedupe_key"), unique=True),
        _index("bounce_of", ("bounce_of",), of=_with("bounce_of"), unique=True),
    ],
    ledger.ENTRIES: [_index("at", ("at",))],
    ledger.HOURS: [_index("hour_tenant", ("hour", "tenant"), unique=True)],
    progress.COLLECTION: [_index("at", ("at",), expireAfterSeconds=_PROGRESS_SECONDS)],
}

# `way` and `due_at` serve their queries.
REPLACED: dict[str, tuple[str, ...]] = {row.COLLECTION: ("due", "open")}


async def ensure_schema(store: Store) -> None:
    """Create what is missing, then drop what it replaces: no query is ever without an index.

    Raises:
        Unavailable: the store is unreachable.

    """
    await ensure_indexes(store, INDEXES, REPLACED)
    await Blobs(store).ensure_indexes()
    await create_indexes(store, bodychecks.COLLECTION, bodychecks.INDEXES)
