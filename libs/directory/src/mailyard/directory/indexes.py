"""The indexes of the directory; creating them again changes nothing."""

from mailyard.directory import accesslog, accounts, addresses, domains, removed
from mailyard.directory.accesslog import AccessLog
from mailyard.store.client import Store, unavailable_when_away


async def ensure_indexes(store: Store) -> None:
    """Create what is missing. Raises Unavailable."""
    with unavailable_when_away():
        for collection in (domains, accounts, addresses, accesslog, removed):
            await store.collection(collection.COLLECTION).create_indexes(list(collection.INDEXES))
    await AccessLog(store).prepare()
