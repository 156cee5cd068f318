"""From where mail came in of late: what shows whether clients' addresses survive the way through a balancer."""

from mailyard.spool.row import COLLECTION
from mailyard.store.client import Store, unavailable_when_away


async def recent_client_addresses(store: Store, latest: int) -> frozenset[str]:
    """Return the addresses that the latest mails without a login came from, of all tenants.

    Raises:
        Unavailable: the store is away.

    """
    wanted = {"client.address": {"$exists": True}, "client.account": {"$exists": False}}
    with unavailable_when_away():
        rows = store.collection(COLLECTION).find(wanted, {"client.address": True})
        found = await rows.sort("_id", -1).limit(latest).to_list()
    return frozenset(row["client"]["address"] for row in found)
