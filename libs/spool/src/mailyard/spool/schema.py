"""The indexes of the spool and the ledger; creating them again changes nothing."""

from pymongo import ASCENDING, IndexModel

from mailyard.spool import ledger, progress, row
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store, unavailable_when_away

_PROGRESS_SECONDS = 3600

INDEXES: dict[str, list[IndexModel]] = {
    row.COLLECTION: [
        # Open rows only: ended ones have no due_at and cost nothing here.
        IndexModel(
            [("state", ASCENDING), ("due_at", ASCENDING), ("tenant", ASCENDING)],
            name="open",
            partialFilterExpression={"due_at": {"$exists": True}},
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
        IndexModel(
            [("bounce_of", ASCENDING)],
            name="bounce_of",
            unique=True,
            partialFilterExpression={"bounce_of": {"$exists": True}},
        ),
    ],
    ledger.ENTRIES: [IndexModel([("at", ASCENDING)], name="at")],
    ledger.HOURS: [IndexModel([("hour", ASCENDING), ("tenant", ASCENDING)], name="hour_tenant", unique=True)],
    progress.COLLECTION: [IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=_PROGRESS_SECONDS)],
}

REPLACED: dict[str, tuple[str, ...]] = {row.COLLECTION: ("due",)}  # `open` serves the same queries


async def ensure_schema(store: Store) -> None:
    """Create what is missing, then drop what it replaces: no query is ever without an index.

    Raises:
        Unavailable: the store is away.

    """
    with unavailable_when_away():
        for collection, indexes in INDEXES.items():
            await store.collection(collection).create_indexes(indexes)
        for collection, names in REPLACED.items():
            for name in (await store.collection(collection).index_information()).keys() & set(names):
                await store.collection(collection).drop_index(name)
    await Blobs(store).ensure_indexes()
