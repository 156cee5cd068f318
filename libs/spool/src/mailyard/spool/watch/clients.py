"""Addresses of recent clients: they show whether a load balancer passes client addresses on."""

from mailyard.spool.row import COLLECTION
from mailyard.store.client import Store, unavailable_when_away


async def recent_client_addresses(store: Store, latest: int) -> frozenset[str]:
    """Return the client addresses of the latest messages that came without a login, of all tenants.

    Raises:
        Unavailable: the store is unreachable.

    """
    wanted = {"client.address": {"$exists": True}, "client.account": {"$exists": False}}
    with unavailable_when_away():
        rows = store.collection(COLLECTION).find(wanted, {"client.address": True})
        found = await rows.sort("_id", -1).limit(latest).to_list()
    return frozenset(row["client"]["address"] for row in found)
