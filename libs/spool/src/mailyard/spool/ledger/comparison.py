"""Compare the two sides of the ledger in the store; only sums and the lines that differ are returned.

One command reads the entries and the rows of some minutes and adds them up in the store, however many tenants have
mail. A comparison costs this process a few small documents, and no line that agrees is sent.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailyard.spool.ledger.ledger import (
    ACCEPTED,
    COLUMNS,
    EXPANDED,
    OPEN_COLUMNS,
    OTHER,
    LedgerLine,
    shares_between,
)
from mailyard.spool.row import COLLECTION
from mailyard.store.client import Row, Store, unavailable_when_away

MOST_LINES = 100  # differing lines of one minute that are returned; the sum is of all lines
_BECAME = (*COLUMNS, OTHER)
_NAMED = (ACCEPTED, EXPANDED, *COLUMNS)
_ALL = (*_NAMED, OTHER)


@dataclass(frozen=True, slots=True)
class Minute:
    """The sums of one minute over all tenants, and the lines that differ."""

    totals: Mapping[str, int]  # recipients by column; zeros left out
    differing: tuple[LedgerLine, ...]  # at most MOST_LINES
    difference: int  # recipients of all differing lines, whichever way each differs

    @property
    def complete(self) -> bool:
        """Whether the sides agree and nothing waits."""
        return not self.difference and not any(self.totals.get(column) for column in OPEN_COLUMNS)


async def compare_minutes(store: Store, since: datetime, until: datetime) -> dict[datetime, Minute]:
    """Compare minutes that are not closed; a minute without mail is left out.

    Raises:
        Unavailable: the store is unreachable.

    """
    with unavailable_when_away():
        found = await store.collection(COLLECTION).aggregate(_stages(since, until))
        return {row["_id"]: _minute_of(row) async for row in found}


def _minute_of(row: Row) -> Minute:
    totals = Counter({column: row[column] for column in _ALL if row[column]})
    lines = tuple(
        LedgerLine(
            tenant=line["tenant"],
            since=row["_id"],
            accepted=line[ACCEPTED],
            expanded=line[EXPANDED],
            became={column: line[column] for column in _BECAME},
        )
        for line in row["lines"]
    )
    return Minute(totals, lines, row["difference"])


def _stages(since: datetime, until: datetime) -> list[Row]:
    """Every share is a minute, a tenant, a column and a count; shares are added up by line, and lines by minute."""
    return [
        *shares_between(since, until),
        {"$group": {"_id": {"since": "$_id.since", "tenant": "$_id.tenant"}, **_pivot()}},
        {"$set": {"differs": _difference()}},
        {
            "$group": {
                "_id": "$_id.since",
                **{column: {"$sum": f"${column}"} for column in _ALL},
                "difference": {"$sum": {"$abs": "$differs"}},
                "lines": {"$push": {"$cond": [{"$ne": ["$differs", 0]}, _line(), "$$REMOVE"]}},
            }
        },
        {"$set": {"lines": {"$slice": ["$lines", MOST_LINES]}}},
    ]


def _pivot() -> Row:
    """Sum the shares of each column; a share with any other name is a result of a later version."""
    sums: Row = {
        column: {"$sum": {"$cond": [{"$eq": ["$_id.column", {"$literal": column}]}, "$count", 0]}}
        for column in _NAMED
    }
    named = {"$in": ["$_id.column", {"$literal": list(_NAMED)}]}
    return sums | {OTHER: {"$sum": {"$cond": [named, 0, "$count"]}}}


def _difference() -> Row:
    became = {"$add": [f"${column}" for column in _BECAME]}
    return {"$subtract": [{"$add": [f"${ACCEPTED}", f"${EXPANDED}"]}, became]}


def _line() -> Row:
    return {"tenant": "$_id.tenant", **{column: f"${column}" for column in _ALL}}
