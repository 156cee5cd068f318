"""The double-entry ledger: the recipients that were accepted, against what the rows say became of them.

The first side has an entry for each accepted batch, which is written beside the publication. The second side is the
spool rows. Both sides count recipients, by tenant and minute of acceptance:

    accepted + expanded
        = delivered + relayed + bounced + discarded + quarantined + expired + redirected + in flight + held

where `expanded` counts the targets that aliases added. The difference is `mailyard_mail_unaccounted` and must be 0.
A result that this version does not know counts as well, so that routers of two versions may run side by side.
A minute whose sides agree and whose rows have all ended is closed: its totals go into a row for the hour, and its
entries are deleted (`mailyard.spool.ledger.audit`).
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection as Group
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from mailyard.spool.ids import accepted_second, first_spool_id
from mailyard.spool.outcome import Result
from mailyard.spool.row import COLLECTION, RowState
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction

ENTRIES = "ledger"
HOURS = "ledger_hours"
ACCEPTED = "accepted"
IN_FLIGHT = "in_flight"
HELD = "held"  # of messages that wait for a decision (`mailyard.spool.queue.held`)
OPEN_COLUMNS = (IN_FLIGHT, HELD)
EXPANDED = "expanded"
COLUMNS = (*Result, *OPEN_COLUMNS)
OTHER = "other"  # results of a later version
MINUTE = timedelta(minutes=1)
MOST_MINUTES = 60  # of one comparison
_LOOKED = "looked"  # id of the row in HOURS with the time before which every minute was audited


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of the ledger: a tenant's recipients of one minute or one hour, which begins at `since`."""

    tenant: str
    since: datetime
    accepted: int
    expanded: int
    became: Mapping[str, int]  # by Result (also of another version), in flight and held

    @property
    def unaccounted(self) -> int:
        """Recipients that were accepted and that no row explains; below 0 when rows outnumber the entries."""
        return self.accepted + self.expanded - sum(self.became.values())


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of the moment's minute."""
    return moment.replace(second=0, microsecond=0)


def entry_of(batch: ObjectId, accepted_at: datetime, edge: str, rows: Iterable[Row]) -> Row:
    """Make the ledger entry of a batch of new rows."""
    tenants = Counter(recipient["tenant"] for row in rows for recipient in row["recipients"])
    return {
        "_id": batch,
        "at": accepted_at,
        "edge": edge,
        "recipients": [{"tenant": tenant, "count": count} for tenant, count in tenants.items()],
    }


async def write_entry(store: Store, entry: Row) -> None:
    """Write the entry of one batch; writing it again changes nothing.

    It does not wait for the disk: the auditor makes a lost entry again from the rows of the batch.

    Raises:
        Unavailable: the store is unreachable.

    """
    if entry["recipients"]:
        entries = store.db.get_collection(ENTRIES, write_concern=WriteConcern(w=1))
        # A duplicate key: an earlier attempt, or the auditor, wrote the entry.
        with unavailable_when_away(), contextlib.suppress(DuplicateKeyError):
            await entries.insert_one(entry)


class Ledger:
    """Both sides of the ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def hourly_lines(self, since: datetime, until: datetime) -> list[LedgerLine]:
        """Return the ledger by tenant and hour, from `since` to `until` (whole hours; `until` is not included).

        Messages that are accepted during the call may be on one side only: compare twice before you believe a difference.

        Raises:
            Unavailable: the store is unreachable.

        """
        hours: dict[tuple[datetime, str], list[LedgerLine]] = defaultdict(list)
        for line in await self._closed(since, until):
            hours[hour_of(line.since), line.tenant].append(line)
        for first, last in spans(await self.open_minutes(since, until), MOST_MINUTES):
            for line in await self.compare(first, last):
                hours[hour_of(line.since), line.tenant].append(line)
        return [_sum(hour, tenant, members) for (hour, tenant), members in sorted(hours.items())]

    async def compare(self, since: datetime, until: datetime) -> list[LedgerLine]:
        """Compare the two sides minute by minute, from `since` to `until`, which must not be closed.

        Raises:
            Unavailable: the store is unreachable.

        """
        counts: dict[tuple[datetime, str], dict[str, int]] = defaultdict(dict)
        with unavailable_when_away():
            async for row in await self._store.collection(COLLECTION).aggregate(shares_between(since, until)):
                share = row["_id"]
                counts[share["since"], share["tenant"]][share["column"]] = row["count"]
        return [
            LedgerLine(tenant, minute, found.pop(ACCEPTED, 0), found.pop(EXPANDED, 0), _became(found))
            for (minute, tenant), found in counts.items()
        ]

    async def open_minutes(self, since: datetime, until: datetime) -> set[datetime]:
        """Return the minutes that are not closed: those with entries, and all that were not audited yet.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            first = max(since, await self._audited_until() or until)
            found = await self._store.collection(ENTRIES).aggregate(
                [
                    {"$match": {"at": {"$gte": since, "$lt": until}}},
                    {"$group": {"_id": {"$dateTrunc": {"date": "$at", "unit": "minute"}}}},
                ]
            )
            minutes = {row["_id"] async for row in found}
            minutes -= await self._closed_of(minutes)
        return minutes | {first + number * MINUTE for number in range(max(0, (until - first) // MINUTE))}

    async def close(self, minute: datetime, lines: Sequence[LedgerLine]) -> None:
        """Put a minute's totals into its hour and delete its entries, both or neither; again, it changes nothing.

        Raises:
            Unavailable: the store is unreachable.

        """
        updates = [
            UpdateOne(
                {"hour": hour_of(minute), "tenant": line.tenant},
                {"$set": {f"minutes.{minute.minute}": _totals_row(line)}},
                upsert=True,
            )
            for line in lines
        ]

        async def write(session: AsyncClientSession) -> None:
            if updates:
                await self._store.collection(HOURS).bulk_write(updates, ordered=False, session=session)
            await self._store.collection(ENTRIES).delete_many(
                {"at": {"$gte": minute, "$lt": minute + MINUTE}}, session=session
            )

        await in_transaction(self._store, write)

    async def mark_audited(self, until: datetime) -> None:
        """Note that no message was accepted in any minute before `until` that has no entry.

        Raises:
            Unavailable: the store is unreachable.

        """
        with unavailable_when_away():
            await self._store.collection(HOURS).update_one(
                {"_id": _LOOKED}, {"$max": {"until": until}}, upsert=True
            )

    async def recover_entries(self, since: datetime, until: datetime, edge: str) -> int:
        """Write the entries that an edge could not write; return how many batches lacked one.

        A process that ended between storing a batch and writing its entry has not answered 250, yet the rows exist and
        are delivered: the entry follows from them. Entries whose rows are missing are never changed.
        """
        rows = self._store.collection(COLLECTION)
        with unavailable_when_away():
            batches = await rows.aggregate(
                [
                    {"$match": {"_id": _ids_between(since, until), "batch": {"$exists": True}}},
                    {"$group": {"_id": "$batch"}},
                    {"$lookup": {"from": ENTRIES, "localField": "_id", "foreignField": "_id", "as": "entry"}},
                    {"$match": {"entry": []}},
                ],
            )
            missing = [row["_id"] async for row in batches]
            for batch in missing:
                members = [
                    row
                    async for row in rows.find(
                        {"_id": _ids_between(since, until), "batch": batch},
                        {"recipients": 1, "accepted_at": 1},
                    )
                ]
                await write_entry(self._store, entry_of(batch, members[0]["accepted_at"], edge, members))
        return len(missing)

    async def _closed(self, since: datetime, until: datetime) -> list[LedgerLine]:
        with unavailable_when_away():
            found = self._store.collection(HOURS).find({"hour": {"$gte": hour_of(since), "$lt": until}})
            lines = [
                LedgerLine(
                    tenant=row["tenant"],
                    since=row["hour"] + int(minute) * MINUTE,
                    accepted=totals["accepted"],
                    expanded=totals["expanded"],
                    became=totals["became"],
                )
                async for row in found
                for minute, totals in row["minutes"].items()
            ]
        return [line for line in lines if since <= line.since < until]

    async def _audited_until(self) -> datetime | None:
        """Return the first minute that was not audited; the minute of the first message if none ever was."""
        looked = await self._store.collection(HOURS).find_one({"_id": _LOOKED})
        if looked is not None:
            return minute_of(looked["until"])
        row = await self._store.collection(COLLECTION).find_one({}, {"_id": 1}, sort=[("_id", 1)])
        return minute_of(accepted_second(row["_id"])) if row else None

    async def _closed_of(self, minutes: Group[datetime]) -> set[datetime]:
        """Return the closed minutes among `minutes`; the store returns the names of minutes only."""
        stages: list[Row] = [
            {"$match": {"hour": {"$in": sorted({hour_of(minute) for minute in minutes})}}},
            {"$project": {"hour": 1, "minutes": _each({"$objectToArray": "$minutes"}, "$$one.k")}},
            {"$unwind": "$minutes"},
            {"$group": {"_id": {"hour": "$hour", "minute": "$minutes"}}},
        ]
        keys = [row["_id"] async for row in await self._store.collection(HOURS).aggregate(stages)]
        return {key["hour"] + int(key["minute"]) * MINUTE for key in keys} & set(minutes)


def spans(minutes: Iterable[datetime], longest: int) -> list[tuple[datetime, datetime]]:
    """Join minutes that follow one another, at most `longest`; return first and end of each run."""
    runs: list[tuple[datetime, datetime]] = []
    for minute in sorted(minutes):
        if runs and runs[-1][1] == minute and minute - runs[-1][0] < longest * MINUTE:
            runs[-1] = (runs[-1][0], minute + MINUTE)
        else:
            runs.append((minute, minute + MINUTE))
    return runs


def _became(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by result with all columns that this version knows, and with those that it does not know."""
    return dict.fromkeys(COLUMNS, 0) | dict(counts)


def _totals_row(line: LedgerLine) -> Row:
    return {ACCEPTED: line.accepted, EXPANDED: line.expanded, "became": dict(line.became)}


def _sum(since: datetime, tenant: str, lines: Sequence[LedgerLine]) -> LedgerLine:
    became: Counter[str] = Counter()
    for line in lines:
        became.update(line.became)
    return LedgerLine(
        tenant=tenant,
        since=since,
        accepted=sum(line.accepted for line in lines),
        expanded=sum(line.expanded for line in lines),
        became=_became(became),
    )


def shares_between(since: datetime, until: datetime) -> list[Row]:
    """Return the aggregation of the spool that gives the counts of both sides, by minute, tenant and column."""
    entries: list[Row] = [
        {"$match": {"at": {"$gte": since, "$lt": until}}},
        {"$unwind": "$recipients"},
        _counted(
            _minute_stage("$at"), _share("$recipients.tenant", {"$literal": ACCEPTED}, "$recipients.count")
        ),
    ]
    return [
        {"$match": {"_id": _ids_between(since, until)}},
        *_SHARES,
        {"$unionWith": {"coll": ENTRIES, "pipeline": entries}},
    ]


def _minute_stage(field: str) -> Row:
    return {"$dateTrunc": {"date": field, "unit": "minute"}}


def _ids_between(since: datetime, until: datetime) -> dict[str, str]:
    return {"$gte": first_spool_id(since), "$lt": first_spool_id(until)}


def _counted(since: Any, share: Row) -> Row:
    """Group shares by minute, tenant and column."""
    key = {"since": since, "tenant": share["tenant"], "column": share["column"]}
    return {"$group": {"_id": key, "count": {"$sum": share["count"]}}}


def _share(tenant: str, column: Any, count: Any = 1) -> Row:
    return {"tenant": tenant, "column": column, "count": count}


def _each(array: Any, share: Any) -> Row:
    return {"$map": {"input": array, "as": "one", "in": share}}


_NO_ROWS: list[Any] = []
# Whoever still waits: what is written as pending, else everyone accepted; nobody once the row has ended.
_WAITING = {
    "$cond": [
        {"$in": ["$state", [RowState.DONE, RowState.SPLIT]]},
        _NO_ROWS,
        {"$ifNull": ["$pending", "$recipients"]},
    ]
}
_WAITING_COLUMN = {"$cond": [{"$eq": ["$state", RowState.HELD]}, HELD, IN_FLIGHT]}
_TARGETS = {
    "$concatArrays": [
        _each({"$objectToArray": {"$ifNull": ["$outcomes", {}]}}, _share("$$one.v.tenant", "$$one.v.result")),
        _each(_WAITING, _share("$$one.tenant", _WAITING_COLUMN)),
        _each({"$ifNull": ["$expansions", _NO_ROWS]}, _share("$$one.tenant", EXPANDED, "$$one.count")),
    ]
}
# One read of each row: a row that sums itself up is one share, of another one each target is.
_SHARES: list[Row] = [
    {
        "$project": {
            "since": _minute_stage("$accepted_at"),
            "shares": {
                "$cond": [
                    {"$gt": ["$sum", None]},
                    [_share("$sum.tenant", "$sum.result", "$sum.count")],
                    _TARGETS,
                ]
            },
        }
    },
    {"$unwind": "$shares"},
    _counted("$since", _share("$shares.tenant", "$shares.column", "$shares.count")),
]
