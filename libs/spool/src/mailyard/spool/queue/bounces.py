"""Outcomes that are not reported to the sender yet: claimed in batches, reported exactly once.

A claim writes into the row what its report is about (`bouncing`) before the report is accepted, and the key of the report names the
row and the first of these outcomes. So a router that ends between the two steps makes no second report. Reported outcomes are in
`bounced`. A row stays due until all its outcomes are reported, whoever claimed it and however late it settles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo import UpdateOne

from mailyard.proto.v1.ticket_pb2 import TimelineEntry
from mailyard.spool.outcome import Result
from mailyard.spool.row import COLLECTION, appended_timeline
from mailyard.store.client import BY_ID, Collection, Row, Store, unavailable_when_away

CLAIM: Final = timedelta(minutes=5)
MOST_TARGETS: Final = 1000  # of one report
FAILED_RESULTS: Final = tuple(result for result in Result if result.failed)


@dataclass(frozen=True, slots=True)
class Reported:
    """A target with its outcome, or an alias that was expanded (`result` is None)."""

    address: str
    result: Result | None
    status: str
    text: str
    place: str
    notify: str
    orcpt: str
    at: datetime

    @property
    def failed(self) -> bool:
        """Whether the target failed."""
        return self.result is not None and self.result.failed


@dataclass(frozen=True, slots=True)
class DueReport:
    """A row whose sender must get a report; claimed by this process until `claimed_until`."""

    key: str
    row: Row
    named: tuple[str, ...]  # keys in `outcomes` or `expanded`
    dedupe_key: str  # of the whole message: set if it is generated mail, such as a report
    tries: int  # claims since the last report, this one included
    token: ObjectId
    claimed_until: datetime

    @property
    def targets(self) -> dict[str, Reported]:
        """What the report is about, read from the row; an error in a row concerns that row alone."""
        known = {**self.row.get("outcomes", {}), **self.row.get("expanded", {})}
        return {key: _reported(known[key]) for key in self.named}


class Bounces:
    """The rows that a report is due for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _rows(self) -> Collection:
        return self._store.collection(COLLECTION)

    async def claim(self, now: datetime, limit: int) -> list[DueReport]:
        """Claim rows, a batch in three commands; a claim that is not settled ends after minutes.

        Raises:
            Unavailable: the store is unreachable.

        """
        due: Row = {"bounce_at": {"$lte": now}}
        token, until = ObjectId(), now + CLAIM
        with unavailable_when_away():
            ids = [
                row["_id"] async for row in self._rows.find(due, {"_id": 1}).sort("bounce_at").limit(limit)
            ]
            if not ids:
                return []
            ours = {"_id": {"$in": ids}}
            await self._rows.update_many(due | ours, _claim(token, until), hint=BY_ID)
            rows = [row async for row in self._rows.find(ours | {"bounce_claim": token})]
            keys = await self._keys_of(rows)
        return [_due(row, keys, token, until) for row in rows]

    async def settle(
        self,
        reports: Sequence[DueReport],
        now: datetime,
        steps: Mapping[str, Sequence[TimelineEntry]] | None = None,
    ) -> None:
        """Note what the senders know now, for all reports in one command.

        Args:
            reports: what was claimed and is done with.
            now: when an outcome that came meanwhile is due.
            steps: what to add to the timelines, by key of the report.

        Raises:
            Unavailable: the store is unreachable; the claims end, and the keys keep each report single.

        """
        notes = steps or {}
        updates = [
            UpdateOne({"_id": each.row["_id"]}, _settled(each, now, notes.get(each.key, ())))
            for each in reports
        ]
        if updates:
            with unavailable_when_away():
                await self._rows.bulk_write(updates, ordered=False)

    async def _keys_of(self, rows: Sequence[Row]) -> dict[str, str]:
        """Return the keys of generated mail among messages without a sender; a leg has the key of its whole message."""
        wholes = {_whole(row) for row in rows if not row["sender"] and "source" not in row}
        found = {row["_id"]: _key_of(row) for row in rows}
        if wholes:
            async for row in self._rows.find(
                {"_id": {"$in": list(wholes)}}, {"dedupe_key": 1, "bounce_of": 1}
            ):
                found[row["_id"]] = _key_of(row)
        return found


def _claim(token: ObjectId, until: datetime) -> list[Row]:
    """Name what the report is about, unless an earlier claim did: its report may be accepted already."""
    named = {"$gt": [{"$size": {"$ifNull": ["$bouncing", []]}}, 0]}
    return [
        {
            "$set": {
                "bounce_at": until,
                "bounce_claim": token,
                "bounce_tries": {"$add": [{"$ifNull": ["$bounce_tries", 0]}, 1]},
                "bouncing": {"$cond": [named, "$bouncing", {"$slice": [_UNREPORTED, MOST_TARGETS]}]},
            }
        }
    ]


def _settled(report: DueReport, now: datetime, steps: Sequence[TimelineEntry]) -> list[Row]:
    reported = list(report.named)
    claimed: Any = {"$and": ["$_ours", {"$eq": ["$bounce_at", report.claimed_until]}]}
    settled: Row = {
        "_ours": {"$eq": ["$bounce_claim", report.token]},
        "bounced": {"$setUnion": [{"$ifNull": ["$bounced", []]}, {"$literal": reported}]},
        "bouncing": {"$cond": [{"$eq": ["$bouncing", {"$literal": reported}]}, "$$REMOVE", "$bouncing"]},
    }
    if steps:
        settled["timeline"] = appended_timeline(steps)
    # An outcome that came meanwhile has set another time, which stays; one that the claim left out is due now.
    next_time = {"$cond": [claimed, now, {"$ifNull": ["$bounce_at", now]}]}
    return [
        {"$set": settled},
        {"$set": {"_left": {"$gt": [{"$size": _UNREPORTED}, 0]}}},
        {
            "$set": {
                "bounce_at": {"$cond": ["$_left", next_time, "$$REMOVE"]},
                "bounce_claim": {"$cond": ["$_ours", "$$REMOVE", "$bounce_claim"]},
            }
        },
        {"$unset": ["_ours", "_left", "bounce_tries"]},
    ]


def _entries(field: str) -> Row:
    return {"$objectToArray": {"$ifNull": [field, {}]}}


# Rows of 0.2.0 have no `report`: all their failures are reported.
_REPORTABLE: Row = {
    "$filter": {
        "input": _entries("$outcomes"),
        "cond": {
            "$or": [{"$eq": ["$$this.v.report", True]}, {"$in": ["$$this.v.result", list(FAILED_RESULTS)]}]
        },
    }
}
_UNREPORTED: Row = {
    "$setDifference": [
        {"$map": {"input": {"$concatArrays": [_REPORTABLE, _entries("$expanded")]}, "in": "$$this.k"}},
        {"$ifNull": ["$bounced", []]},
    ]
}


def _due(row: Row, keys: Mapping[str, str], token: ObjectId, until: datetime) -> DueReport:
    named = tuple(row["bouncing"])
    return DueReport(
        key=f"{row['_id']}/{min(named, default='')}",
        row=row,
        named=named,
        dedupe_key=keys.get(_whole(row), ""),
        tries=row["bounce_tries"],
        token=token,
        claimed_until=until,
    )


def _reported(outcome: Row) -> Reported:
    result = outcome.get("result")
    return Reported(
        address=outcome["address"],
        result=None if result is None else Result(result),
        status=outcome.get("status", ""),
        text=outcome.get("text", ""),
        place=outcome.get("place", ""),
        notify=outcome.get("notify", ""),
        orcpt=outcome.get("orcpt", ""),
        at=outcome["at"],
    )


def _key_of(row: Row) -> str:
    """Return the key of generated mail; rows of 0.2.0 have it as `bounce_of`."""
    key: str = row.get("dedupe_key") or row.get("bounce_of", "")
    return key


def _whole(row: Row) -> str:
    return str(row["_id"]).partition(".")[0]
