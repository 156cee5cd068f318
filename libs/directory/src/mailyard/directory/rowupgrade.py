"""Brings rows of earlier versions up to date. `mailyard setup` runs it; a repetition changes nothing.

Until then the code understands these rows, at a cost: it reads more of them, or counts at the first change.
"""

from mailyard.directory import accounts, addresses
from mailyard.directory.pool import Pool
from mailyard.directory.tenants import Tenants
from mailyard.store.client import Row, Store, unavailable_when_away


async def upgrade_rows(store: Store) -> None:
    """Add what is missing, tenant by tenant: the field `domain` of accounts and addresses, and the counts. Raises Unavailable."""
    tenants, pool = Tenants(store), Pool(store)
    for tenant in await tenants.list():
        await _add_domain(store, tenant.id, accounts.COLLECTION, "$key")
        await _add_domain(store, tenant.id, addresses.COLLECTION, "$_id")
        counted = await tenants.counted(tenant.id)
        if counted is not None and counted.used is None:
            await pool.audit(tenant.id)


async def _add_domain(store: Store, tenant: str, collection: str, source: str) -> None:
    """Write the domain of each row, which the index of that name finds; a quoted local part may have an @ too."""
    query: Row = {"tenant": tenant, "domain": None}
    last = {"$arrayElemAt": [{"$split": [source, "@"]}, -1]}
    with unavailable_when_away():
        await store.collection(collection).update_many(query, [{"$set": {"domain": last}}])
