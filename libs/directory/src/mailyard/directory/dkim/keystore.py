"""The collection `dkim_keys`.

| field | holds |
|---|---|
| `_id` | ObjectId |
| `tenant`, `domain` | the owner: rows are deleted with their domain |
| `prefix`, `slot`, `algorithm` | the selector, see `dkim.keys` |
| `state` | pending, active, retiring, retired |
| `selector` | while a key uses it; unique in its domain |
| `signs` | `domain algorithm`, while the key is active; unique |
| `public`, `private` | value of p=; private key, sealed; a retired key has none |
| `checks` | how often the DNS did not show a pending key |
| `due_at` | when the next step is due; absent: none is |
| `created_at`, `active_at`, `retiring_at`, `retired_at` | |
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.directory.dkim.keys import Algorithm, DkimKey, KeyState
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "dkim_keys"
INDEXES = (
    IndexModel([("tenant", ASCENDING), ("domain", ASCENDING), ("_id", ASCENDING)], name="tenant"),
    IndexModel(
        [("domain", ASCENDING), ("selector", ASCENDING)],
        name="selector",
        unique=True,
        partialFilterExpression={"selector": {"$exists": True}},
    ),
    IndexModel(
        [("signs", ASCENDING)],
        name="signs",
        unique=True,
        partialFilterExpression={"signs": {"$exists": True}},
    ),
    IndexModel([("due_at", ASCENDING)], name="due", partialFilterExpression={"due_at": {"$exists": True}}),
)
_LEASE = timedelta(minutes=5)


class DkimKeys:
    """All queries on DKIM keys."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, key: DkimKey, due_at: datetime, session: AsyncClientSession | None = None) -> None:
        """Write a pending key; DuplicateKeyError: another key uses the selector."""
        row: Row = {
            "_id": key.id,
            "tenant": key.tenant,
            "domain": key.domain,
            "prefix": key.prefix,
            "slot": key.slot,
            "algorithm": key.algorithm,
            "state": key.state,
            "selector": key.selector,
            "public": key.public,
            "private": key.private,
            "created_at": key.created_at,
            "due_at": due_at,
        }
        await self._rows.insert_one(row, session=session)

    async def list(self, tenant: str, domain: str) -> Sequence[DkimKey]:
        """Read all keys of a domain, the oldest first. Raises Unavailable."""
        query = {"tenant": tenant, "domain": domain}
        with unavailable_when_away():
            rows = await self._rows.find(query).sort("_id").to_list()
        return [_key_of(row) for row in rows]

    async def entry_all(self) -> Sequence[DkimKey]:
        """Read the keys of all domains, without their private keys, for the provider's zone. Raises Unavailable."""
        with unavailable_when_away():
            rows = await self._rows.find({}, {"private": False}).sort("_id").to_list()
        return [_key_of(row) for row in rows]

    async def entry_claim_due(self, now: datetime) -> DkimKey | None:
        """Take the key whose step is due for longest; it is due again in five minutes. Raises Unavailable."""
        with unavailable_when_away():
            row = await self._rows.find_one_and_update(
                {"due_at": {"$lte": now}},
                {"$set": {"due_at": now + _LEASE}},
                sort=[("due_at", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return _key_of(row) if row else None

    async def postpone(self, key: DkimKey, due_at: datetime, *, checked: bool) -> None:
        """Set when the next step is due; `checked` counts a check of the DNS. Raises Unavailable."""
        change: Row = {"$set": {"due_at": due_at}}
        if checked:
            change["$inc"] = {"checks": 1}
        with unavailable_when_away():
            await self._rows.update_one(_unchanged(key), change)

    async def activate(
        self, key: DkimKey, now: datetime, due_at: datetime | None, session: AsyncClientSession
    ) -> bool:
        """Make a pending key active; False: it is pending no more."""
        change: Row = {
            "$set": {
                "state": KeyState.ACTIVE,
                "active_at": now,
                "signs": f"{key.domain} {key.algorithm}",
            },
            "$unset": {"checks": ""},
        }
        if due_at is None:
            change["$unset"]["due_at"] = ""
        else:
            change["$set"]["due_at"] = due_at
        return (await self._rows.update_one(_unchanged(key), change, session=session)).matched_count == 1

    async def begin_retiring(
        self, key: DkimKey, now: datetime, due_at: datetime, session: AsyncClientSession
    ) -> None:
        """Let the active key of the same domain and algorithm sign no more."""
        query = {"tenant": key.tenant, "signs": f"{key.domain} {key.algorithm}"}
        change: Row = {
            "$set": {"state": KeyState.RETIRING, "retiring_at": now, "due_at": due_at},
            "$unset": {"signs": ""},
        }
        await self._rows.update_one(query, change, session=session)

    async def retire(self, key: DkimKey, now: datetime) -> bool:
        """Delete the private key and free the selector; False: the key has changed meanwhile. Raises Unavailable."""
        change: Row = {
            "$set": {"state": KeyState.RETIRED, "retired_at": now},
            "$unset": {"private": "", "selector": "", "signs": "", "due_at": "", "checks": ""},
        }
        with unavailable_when_away():
            return (await self._rows.update_one(_unchanged(key), change)).matched_count == 1

    async def reseal(self, key: DkimKey, private: str) -> None:
        """Replace the sealed private key by the same one under another sealing key. Raises Unavailable."""
        query = {**_unchanged(key), "private": key.private}
        with unavailable_when_away():
            await self._rows.update_one(query, {"$set": {"private": private}})

    async def remove(self, tenant: str, domain: str) -> None:
        """Delete the keys of a domain that is removed. Raises Unavailable."""
        with unavailable_when_away():
            await self._rows.delete_many({"tenant": tenant, "domain": domain})


def _unchanged(key: DkimKey) -> Row:
    return {"_id": key.id, "tenant": key.tenant, "state": key.state}


def _key_of(row: Row) -> DkimKey:
    return DkimKey(
        id=row["_id"],
        tenant=row["tenant"],
        domain=row["domain"],
        prefix=row["prefix"],
        slot=row["slot"],
        algorithm=Algorithm(row["algorithm"]),
        state=KeyState(row["state"]),
        public=row["public"],
        private=row.get("private", ""),
        created_at=row["created_at"],
        checks=row.get("checks", 0),
    )
