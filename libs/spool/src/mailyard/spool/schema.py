"""The indexes of the spool and the ledger; creating them again changes nothing."""

from pymongo import ASCENDING, IndexModel

from mailyard.spool import row
from mailyard.spool.ledger import ledger
from mailyard.spool.row import OPEN_INDEX, RowState
from mailyard.spool.watch import progress
from mailyard.store import bodychecks
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store
from mailyard.store.indexes import create_indexes, ensure_indexes

_PROGRESS_SECONDS = 3600


def _ascending(*names: str) -> list[tuple[str, int]]:
    return [(name, ASCENDING) for name in names]


INDEXES: dict[str, list[IndexModel]] = {
    row.COLLECTION: [
        # Open rows only: ended ones have no due_at and cost nothing here. Lost tickets are looked for by route, release
        # time and lease; the tenant is there for the backlog by tenant, which reads the index alone.
        IndexModel(
            _ascending("state", "route", "due_at", "lease.until", "tenant"),
            name=OPEN_INDEX,
            partialFilterExpression={"due_at": {"$exists": True}},
        ),
        # Deferred rows only: a message that ends at once costs nothing in these three.
        *(
            IndexModel(
                _ascending(*keys), name="_".join(keys), partialFilterExpression={"state": RowState.DEFERRED}
            )
            for keys in (("due_at",), ("site", "due_at"), ("tenant", "due_at"))
        ),
        # For the sweep of bodies: who still needs one.
        IndexModel(_ascending("blob"), name="blob", partialFilterExpression={"due_at": {"$exists": True}}),
        IndexModel(
            _ascending("blob", "bounce_at"),
            name="blob_bounce",
            partialFilterExpression={"bounce_at": {"$exists": True}},
        ),
        IndexModel(
            [("bounce_at", ASCENDING)],
            name="bounce",
            partialFilterExpression={"bounce_at": {"$exists": True}},
        ),
        IndexModel(
            [("delay_at", ASCENDING)],
            name="delay",
            partialFilterExpression={"delay_at": {"$exists": True}},
        ),
        # `bounce_of` is unique for reports of 0.3.0, and against them.
        *(
            IndexModel(
                [(key, ASCENDING)], name=key, unique=True, partialFilterExpression={key: {"$exists": True}}
            )
            for key in ("dedupe_key", "bounce_of")
        ),
    ],
    ledger.ENTRIES: [IndexModel([("at", ASCENDING)], name="at")],
    ledger.HOURS: [IndexModel([("hour", ASCENDING), ("tenant", ASCENDING)], name="hour_tenant", unique=True)],
    progress.COLLECTION: [IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=_PROGRESS_SECONDS)],
}

REPLACED: dict[str, tuple[str, ...]] = {
    row.COLLECTION: ("due", "open")
}  # `way` and `due_at` serve their queries


async def ensure_schema(store: Store) -> None:
    """Create what is missing, then drop what it replaces: no query is ever without an index.

    Raises:
        Unavailable: the store is unreachable.

    """
    await ensure_indexes(store, INDEXES, REPLACED)
    await Blobs(store).ensure_indexes()
    await create_indexes(store, bodychecks.COLLECTION, bodychecks.INDEXES)
