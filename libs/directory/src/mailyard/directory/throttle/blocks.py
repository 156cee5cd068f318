"""The collection `login_blocks`: what may not try to log in for a while, after too many failures.

| field | holds |
|---|---|
| `_id` | kind and subject, as text |
| `kind`, `subject` | `report.LoginSubject` |
| `since`, `until` | by the server's clock; the row is deleted after `until` |

Rows of the kinds `account…` name an address in `subject`; `remove` takes one away.
"""

from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, DeleteOne, IndexModel, UpdateOne

from mailyard.directory.throttle.failurelog import subject_of
from mailyard.directory.throttle.report import Block, LoginSubject
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "login_blocks"
INDEXES = (IndexModel([("until", ASCENDING)], name="expiry", expireAfterSeconds=0),)
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block that has not ended; `seconds` are left."""

    subject: LoginSubject
    since: datetime
    until: datetime
    seconds: float


class LoginBlocks:
    """All queries on blocks."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, blocks: tuple[Block, ...]) -> list[Block]:
        """Store blocks and return those that nobody had stored. Raises Unavailable."""
        operations: list[DeleteOne | UpdateOne] = []
        for each in blocks:
            key = str(each.subject)
            ended = {"$expr": {"$lte": ["$until", "$$NOW"]}}
            until = {"$add": ["$$NOW", int(each.seconds * 1000)]}
            row = {
                "kind": {"$literal": each.subject.kind},
                "subject": {"$literal": each.subject.name},
                "since": {"$ifNull": ["$since", "$$NOW"]},
                "until": {"$ifNull": ["$until", until]},
            }
            operations.append(DeleteOne({"_id": key, **ended}))
            operations.append(UpdateOne({"_id": key}, [{"$set": row}], upsert=True))
        with unavailable_when_away():
            result = await self._rows.bulk_write(operations)
        return [blocks[number // 2] for number in sorted(result.upserted_ids or ())]

    async def entry_in_force(self, limit: int = _MOST) -> list[StoredBlock]:
        """Read the blocks that have not ended, the one that ends last first. Raises Unavailable."""
        query: Row = {"$expr": {"$gt": ["$until", "$$NOW"]}}
        shown: Row = {
            "kind": 1,
            "subject": 1,
            "since": 1,
            "until": 1,
            "left": {"$subtract": ["$until", "$$NOW"]},
        }
        with unavailable_when_away():
            rows = await self._rows.find(query, shown).sort("until", -1).limit(limit).to_list()
        return [
            StoredBlock(
                subject_of([row["kind"], row["subject"]]), row["since"], row["until"], row["left"] / 1000
            )
            for row in rows
        ]

    async def remove(self, subject: LoginSubject) -> bool:
        """Remove a block; return whether there was one. Raises Unavailable."""
        with unavailable_when_away():
            result = await self._rows.delete_one({"_id": str(subject)})
        return result.deleted_count > 0
