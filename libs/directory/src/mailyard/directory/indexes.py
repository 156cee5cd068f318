"""The indexes of the directory; creating them again changes nothing."""

from mailyard.directory import accounts, addresses, domains
from mailyard.store.client import Store
from mailyard.store.indexes import create_indexes


async def ensure_indexes(store: Store) -> None:
    """Create what is missing. Raises Unavailable."""
    for collection in (domains, accounts, addresses):
        await create_indexes(store, collection.COLLECTION, list(collection.INDEXES))
