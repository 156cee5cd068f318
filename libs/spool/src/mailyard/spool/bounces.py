"""Which failures the sender must still be told of: claimed one row at a time, told once.

A row names the failed targets of a bounce before the bounce is accepted, and the bounce names the row and the first of these
targets. So a router that dies between the two makes no second bounce, and none is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ReturnDocument

from mailyard.spool.outcome import Result
from mailyard.spool.row import COLLECTION
from mailyard.store.client import Collection, Row, Store, unavailable_when_away

_CLAIM = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Failure:
    """A target that failed."""

    address: str
    expired: bool
    status: str
    text: str
    place: str
    notify: str
    orcpt: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DueBounce:
    """A row whose sender must be told of failures; ours until `claimed_until`."""

    key: str
    row: Row
    failures: Mapping[str, Failure]  # by target number
    claimed_until: datetime


class Bounces:
    """The door to the rows that a bounce is due for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _rows(self) -> Collection:
        return self._store.collection(COLLECTION)

    async def claim(self, now: datetime, limit: int) -> list[DueBounce]:
        """Claim rows; a claim that is not settled ends after minutes.

        Raises:
            Unavailable: the store is away.

        """
        with unavailable_when_away():
            query = {"bounce_at": {"$lte": now}}
            found = [row async for row in self._rows.find(query).sort("bounce_at").limit(limit)]
            claims = [await self._claim_one(row, now + _CLAIM) for row in found]
        return [claim for claim in claims if claim is not None]

    async def settle(self, bounce: DueBounce) -> None:
        """Note that the sender knows.

        Raises:
            Unavailable: the store is away; the claim ends, and the bounce's key keeps it single.

        """
        told = {"$addToSet": {"bounced": {"$each": list(bounce.failures)}}, "$unset": {"bouncing": ""}}
        with unavailable_when_away():
            await self._rows.update_one({"_id": bounce.row["_id"]}, told)
            # A failure that was reported meanwhile has set another time, and stays due.
            await self._rows.update_one(
                {"_id": bounce.row["_id"], "bounce_at": bounce.claimed_until}, {"$unset": {"bounce_at": ""}}
            )

    async def _claim_one(self, row: Row, until: datetime) -> DueBounce | None:
        targets = row.get("bouncing") or _untold(row)
        until = until.replace(microsecond=until.microsecond // 1000 * 1000)  # what the store keeps of it
        claimed = await self._rows.find_one_and_update(
            {"_id": row["_id"], "bounce_at": row["bounce_at"]},
            {"$set": {"bounce_at": until, "bouncing": targets}},
            return_document=ReturnDocument.AFTER,
        )
        if claimed is None:
            return None
        failures = {target: _failure(claimed["outcomes"][target]) for target in targets}
        return DueBounce(f"{row['_id']}/{min(targets, default='')}", claimed, failures, until)


def _untold(row: Row) -> list[str]:
    told = set(row.get("bounced", ()))
    return [
        target
        for target, outcome in row.get("outcomes", {}).items()
        if Result(outcome["result"]).failed and target not in told
    ]


def _failure(outcome: Row) -> Failure:
    return Failure(
        address=outcome["address"],
        expired=outcome["result"] == Result.EXPIRED,
        status=outcome["status"],
        text=outcome.get("text", ""),
        place=outcome.get("place", ""),
        notify=outcome.get("notify", ""),
        orcpt=outcome.get("orcpt", ""),
        at=outcome["at"],
    )
