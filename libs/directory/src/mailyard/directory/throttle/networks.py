"""The collection `login_networks`: networks from which accounts were used, so that their users are not locked out.

| field | holds |
|---|---|
| `_id` | login name and network, as text |
| `tenant`, `account` | slug; id in hex |
| `at` | the last login, about; rows are kept for `throttle.KNOWN_DAYS` |
"""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, IndexModel, UpdateOne

from mailyard.directory.identity import Identity
from mailyard.directory.throttle.throttle import KNOWN_DAYS, Pair
from mailyard.store.client import Store, unavailable_when_away

COLLECTION = "login_networks"
INDEXES = (
    IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=KNOWN_DAYS * 86_400),
    IndexModel([("tenant", ASCENDING), ("account", ASCENDING)], name="account"),
)


class LoginNetworks:
    """All queries on known networks."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, networks: Mapping[Pair, Identity]) -> None:
        """Store networks with the present time, in one command. Raises Unavailable."""
        operations = [
            UpdateOne(
                {"_id": _key(pair)},
                {
                    "$set": {"tenant": identity.tenant, "account": identity.account},
                    "$currentDate": {"at": True},
                },
                upsert=True,
            )
            for pair, identity in networks.items()
        ]
        with unavailable_when_away():
            await self._rows.bulk_write(operations, ordered=False)

    async def entry_known(self, pairs: Sequence[Pair]) -> list[bool]:
        """Return for each pair whether it is known, with one query. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find(
                {"_id": {"$in": [_key(each) for each in pairs]}}, {"_id": 1}
            ).to_list()
        found = {row["_id"] for row in rows}
        return [_key(each) in found for each in pairs]

    async def remove_of_account(self, tenant: str, account: str) -> None:
        """Forget the networks of an account. Raises Unavailable."""
        with unavailable_when_away():
            await self._rows.delete_many({"tenant": tenant, "account": account})


def _key(pair: Pair) -> str:
    return " ".join(pair)
