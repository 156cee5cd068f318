"""The indexes of the directory; creating them again changes nothing."""

from mailyard.directory import accesslog, accounts, addresses, apppasswords, domains, grants, removed
from mailyard.directory.accesslog import AccessLog
from mailyard.directory.dkim import keystore
from mailyard.directory.sending import rows as sending
from mailyard.store.client import Store
from mailyard.store.indexes import create_indexes


async def ensure_indexes(store: Store) -> None:
    """Create what is missing. Raises Unavailable."""
    for collection in (
        domains,
        accounts,
        addresses,
        accesslog,
        apppasswords,
        grants,
        removed,
        keystore,
        sending,
    ):
        await create_indexes(store, collection.COLLECTION, list(collection.INDEXES))
    await AccessLog(store).prepare()
