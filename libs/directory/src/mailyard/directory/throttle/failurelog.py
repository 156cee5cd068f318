"""The collection `login_failures`: what each process reports about failed logins, once a second while there are any.

| field | holds |
|---|---|
| `_id` | process and number of the report |
| `at` | when it was stored, by the server's clock; rows are kept for 15 minutes |
| `failures` | login, client address and count of each; a login that is no address is hashed |
| `blocks` | kind, subject and seconds of each block that began |
| `lifted` | kind and subject of each block that `mailyard login-block remove` ended |

Rows name addresses, and no account or tenant; they are gone after 15 minutes, so the erasure of an account leaves them.
Times are the server's: clocks of processes may differ as they like. A report that is written twice counts once.
"""

from collections.abc import Collection, Mapping, Sequence

from pymongo import ASCENDING, IndexModel

from mailyard.directory.throttle.report import Block, BlockKind, Failure, FailureReport, LoginSubject
from mailyard.store.client import Row, Store, unavailable_when_away

COLLECTION = "login_failures"
KEPT_SECONDS = 900
INDEXES = (IndexModel([("at", ASCENDING)], name="expiry", expireAfterSeconds=KEPT_SECONDS),)
REPORTS_OF_A_READ = 200


class FailureLog:
    """All queries on reports."""

    def __init__(self, store: Store) -> None:
        self._rows = store.collection(COLLECTION)

    async def add(self, name: str, report: FailureReport) -> None:
        """Store a report; again, it changes nothing. Raises Unavailable."""
        told = {
            "failures": [[each.login, each.address, each.count] for each in report.failures],
            "blocks": [[each.subject.kind, each.subject.name, each.seconds] for each in report.blocks],
            "lifted": [[each.kind, each.name] for each in report.lifted],
        }
        change = {
            "at": {"$ifNull": ["$at", "$$NOW"]},
            **{field: {"$literal": values} for field, values in told.items() if values},
        }
        with unavailable_when_away():
            await self._rows.update_one({"_id": name}, [{"$set": change}], upsert=True)

    async def entry_since(self, seconds: float, known: Collection[str]) -> Mapping[str, FailureReport]:
        """Read the reports of the last `seconds` that are not `known`, oldest first, at most `REPORTS_OF_A_READ`.

        Raises:
            Unavailable: the store is unreachable.

        """
        begin = {"$subtract": ["$$NOW", int(seconds * 1000)]}
        query: Row = {"$expr": {"$gte": ["$at", begin]}, "_id": {"$nin": list(known)}}
        shown: Row = {
            "failures": 1,
            "blocks": 1,
            "lifted": 1,
            "age": {"$subtract": ["$$NOW", "$at"]},
        }
        with unavailable_when_away():
            rows = await self._rows.find(query, shown).sort("at").limit(REPORTS_OF_A_READ).to_list()
        return {row["_id"]: _report_of(row) for row in rows}


def _report_of(row: Row) -> FailureReport:
    return FailureReport(
        tuple(Failure(*each) for each in row.get("failures", ())),
        tuple(Block(subject_of(each[:2]), each[2]) for each in row.get("blocks", ())),
        tuple(subject_of(each) for each in row.get("lifted", ())),
        row["age"] / 1000,
    )


def subject_of(pair: Sequence[str]) -> LoginSubject:
    """Read a subject as it is stored."""
    return LoginSubject(BlockKind(pair[0]), pair[1])
