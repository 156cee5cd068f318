"""The last results of the mail canary: one row for each round trip, written by `mailyard canary --record`.

A round trip of one mail is called leg here: `local` from submission to IMAP, `echo` by relay to a host outside and
back. The router exports the rows as metrics, so that an operator also sees that a canary has stopped to run.
"""

from dataclasses import dataclass
from datetime import datetime

from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "canary"


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """The last run of one leg; `seconds` is its duration, or how long a failed one was waited for."""

    leg: str
    succeeded: bool
    seconds: float
    at: datetime


class Canary:
    """The rows of the canary."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, leg: str, succeeded: bool, seconds: float, at: datetime) -> None:
        """Replace a leg's row; a run that ended before the one that is written changes nothing.

        Raises:
            Unavailable: the store is unreachable.

        """
        row: Row = {"succeeded": succeeded, "seconds": seconds, "at": at}
        newer: Row = {"$gt": ["$at", at]}  # an absent time is less than any other
        update = [{"$set": {name: {"$cond": [newer, f"${name}", value]} for name, value in row.items()}}]
        with unavailable_when_away():
            await self._store.collection(COLLECTION).update_one({"_id": leg}, update, upsert=True)

    async def latest(self) -> list[CanaryRun]:
        """Return the last run of every leg, by the leg's name.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            rows = self._store.collection(COLLECTION).find().sort("_id")
            return [CanaryRun(row["_id"], row["succeeded"], row["seconds"], row["at"]) async for row in rows]
