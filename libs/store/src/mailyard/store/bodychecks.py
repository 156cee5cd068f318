"""Bodies whose references must be checked, because the last one may be gone, and up to which id new bodies were checked.

A body is noted before the reference to it is removed, so a process that dies between the two steps forgets none. A
body that is still needed is checked again after sixteen times its waiting time, and at least once a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DeleteOne, IndexModel, UpdateOne

from mailyard.store.client import Collection, Store, unavailable_when_away

COLLECTION = "body_checks"
INDEXES = [IndexModel([("at", ASCENDING)], name="at")]
_GROWTH, _LONGEST = 15, timedelta(days=1)  # the next wait, as a multiple of the time since a body was noted
_WALK = "walk"  # id of the row with the id up to which new bodies were checked
_FIRST = ObjectId(b"\0" * 12)


@dataclass(frozen=True, slots=True)
class BodyCheck:
    """One body that is due to be checked."""

    blob_id: ObjectId
    noted_at: datetime
    notes: int  # how often the body had been noted when it was read


class BodyChecks:
    """The bodies to check. Every write is idempotent."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _rows(self) -> Collection:
        return self._store.collection(COLLECTION)

    async def note(self, blob_ids: Sequence[ObjectId], now: datetime) -> None:
        """Schedule checks of bodies; call this before the reference to them is removed.

        Raises:
            Unavailable: the store is unreachable.

        """
        update = {"$setOnInsert": {"noted_at": now}, "$min": {"at": now}, "$inc": {"notes": 1}}
        await self._write(
            [UpdateOne({"_id": blob_id}, update, upsert=True) for blob_id in dict.fromkeys(blob_ids)]
        )

    async def due(self, now: datetime, limit: int) -> list[BodyCheck]:
        """Return the bodies that are due, those first that have been so for longest.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            rows = self._rows.find({"at": {"$lte": now}}).sort("at", ASCENDING).limit(limit)
            return [BodyCheck(row["_id"], row["noted_at"], row["notes"]) async for row in rows]

    async def end(self, checks: Sequence[BodyCheck]) -> None:
        """Forget bodies, unless they were noted again after they were read: who noted them is about to end a reference.

        Raises:
            Unavailable: the store is unreachable.

        """
        await self._write([DeleteOne({"_id": each.blob_id, "notes": each.notes}) for each in checks])

    async def postpone(self, checks: Sequence[BodyCheck], now: datetime) -> None:
        """Look at bodies again when they have been noted for sixteen times as long, and tomorrow at the latest.

        Raises:
            Unavailable: the store is unreachable.

        """
        due = {each.blob_id: now + min(_GROWTH * (now - each.noted_at), _LONGEST) for each in checks}
        await self._write([UpdateOne({"_id": blob_id}, {"$set": {"at": at}}) for blob_id, at in due.items()])

    async def walked(self) -> ObjectId:
        """Return the id up to which new bodies were checked.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            row = await self._rows.find_one({"_id": _WALK})
        return row["reached"] if row else _FIRST

    async def walk_to(self, blob_id: ObjectId) -> None:
        """Note that all bodies up to an id were checked; the id never decreases.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            await self._rows.update_one({"_id": _WALK}, {"$max": {"reached": blob_id}}, upsert=True)

    async def _write(self, updates: Sequence[UpdateOne | DeleteOne]) -> None:
        if updates:
            with unavailable_when_away():
                await self._rows.bulk_write(updates, ordered=False)
