"""The indexes of the directory; creating them again changes nothing."""

from mailyard.directory import (
    accesslog,
    accounts,
    addresses,
    apppasswords,
    domains,
    grants,
    greylist,
    removed,
    tenants,
)
from mailyard.directory.accesslog import AccessLog
from mailyard.directory.dkim import keystore
from mailyard.directory.loginlog import log
from mailyard.directory.throttle import blocks, failurelog, networks
from mailyard.store.client import Store
from mailyard.store.indexes import create_indexes

_LOGINS = (blocks, failurelog, networks, log)


async def ensure_indexes(store: Store) -> None:
    """Create what is missing. Raises Unavailable."""
    for collection in (
        *(tenants, domains, accounts, addresses, accesslog),
        *(apppasswords, grants, removed, keystore, *_LOGINS),
    ):
        await create_indexes(store, collection.COLLECTION, list(collection.INDEXES))
    await create_indexes(store, greylist.COLLECTION, list(greylist.INDEXES))
    await create_indexes(store, greylist.NETWORKS, list(greylist.NETWORK_INDEXES))
    await AccessLog(store).prepare()
