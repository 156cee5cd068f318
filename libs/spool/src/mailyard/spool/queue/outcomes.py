"""Write the reports of attempts into the rows: nothing else ends or defers a leg.

A report is one update of the row, and many reports are one command. Outcomes are kept by target number, so that
a report that is written twice, or by two consumers of one ticket, changes nothing the second time. What a report
ends is ended whichever ticket it was done for; only the newest ticket may defer what is left.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne, WriteConcern

from mailyard.runtime.clock import Clock, from_ms, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.ids import row_id
from mailyard.spool.outcome import Deferral, Report
from mailyard.spool.queue.reporting import any_due, delay_is_due, outcome_rows
from mailyard.spool.reasons import reason_of
from mailyard.spool.row import (
    COLLECTION,
    RowState,
    appended_timeline,
    expansion_fields,
    routed_fields,
    timeline_rows,
)
from mailyard.store.client import DURABLE, Collection, Row, Store, unavailable_when_away
from mailyard.store.group import GroupCommit
from mailyard.store.watch import timed_write

_BATCH_REPORTS = 200


# A row that is split has its targets in its legs: a late ticket of the whole message ends nothing.
_STILL_OPEN: Row = {"$nin": [RowState.DONE, RowState.SPLIT]}


class Outcomes:
    """Writes reports into the rows, many in one command."""

    def __init__(self, store: Store, *, clock: Clock = now_utc, durable: bool = True) -> None:
        """Write to the rows of `store`.

        Args:
            store: where the rows are.
            clock: the time of the outcomes.
            durable: wait until a report survives the loss of the primary. Who can do the work again without harm
                need not: a report that is lost leaves the row open, and the leg gets a new ticket.

        """
        self._store = store
        self._clock = clock
        self._durable = durable
        self._ended = counter("mailyard_spool_outcomes_total")
        self._deferred = counter("mailyard_spool_deferrals_total")
        self._group: GroupCommit[Report, Sequence[Report], None] = GroupCommit(
            self._write, _concluded, max_items=_BATCH_REPORTS
        )

    @property
    def _rows(self) -> Collection:
        concern = DURABLE if self._durable else WriteConcern(w=1)
        return self._store.db.get_collection(COLLECTION, write_concern=concern)

    async def report(self, report: Report) -> None:
        """Write one report, together with others that are submitted at the same time.

        Raises:
            Unavailable: the store is unreachable; report again.

        """
        await self._group.submit(report)

    async def report_many(self, reports: Sequence[Report]) -> None:
        """Write reports in one command.

        Raises:
            Unavailable: the store is unreachable; report again.

        """
        if reports:
            await self._write(reports)

    async def _write(self, reports: Sequence[Report]) -> Sequence[Report]:
        now = self._clock()
        with timed_write("outcome"), unavailable_when_away():
            await self._rows.bulk_write([_update(report, now) for report in reports], ordered=False)
        for report in reports:
            for outcome in report.outcomes.values():
                self._ended.labels(outcome.result).inc()
            if report.deferral:
                self._deferred.labels(
                    report.deferral.route or "unrouted", reason_of(report.deferral.status)
                ).inc()
        return reports


async def _concluded(reports: Sequence[Report]) -> list[None]:
    return [None] * len(reports)


def _update(report: Report, now: datetime) -> UpdateOne:
    if report.deferral is None:
        return end_of(report, now, _STILL_OPEN)
    return _deferred(report, report.deferral, now)


def end_of(report: Report, now: datetime, state: Row) -> UpdateOne:
    """End the row, if its state is one of `state`. What is done is done: it holds whichever ticket it was done for."""
    ticket = report.ticket
    outcomes = outcome_rows(ticket.sender, ticket.recipients, report.outcomes, now)
    changes: Row = {f"outcomes.{number}": row for number, row in outcomes.items()}
    changes |= {"state": RowState.DONE, "ended_at": now, "attempt": ticket.attempt + 1}
    changes |= expansion_fields(ticket) | _sum(report)
    removed = {"due_at": "", "pending": "", "lease": "", "delay_at": ""}
    if any_due(outcomes.values()):
        changes["bounce_at"] = now
        removed["bounce_claim"] = ""  # a claim that has not seen these outcomes does not settle them
    update: dict[str, Any] = {"$set": changes, "$unset": removed}
    if ticket.timeline:
        update["$push"] = {"timeline": {"$each": timeline_rows(ticket.timeline)}}
    return UpdateOne({"_id": row_id(ticket.spool_id, ticket.leg), "state": state}, update)


def _sum(report: Report) -> Row:
    """Sum up a message that ended at once and in one way, which nearly all do: the ledger reads no more of it then."""
    ticket = report.ticket
    results = {outcome.result for outcome in report.outcomes.values()}
    tenants = {target.tenant for target in ticket.recipients}
    if ticket.attempt or ticket.expanded or len(results) != 1 or len(tenants) != 1:
        return {}
    return {"sum": {"tenant": tenants.pop(), "result": results.pop(), "count": len(ticket.recipients)}}


def _deferred(report: Report, deferral: Deferral, now: datetime) -> UpdateOne:
    """Keep the outcomes of an unfinished try, and defer what is left.

    Outcomes hold whichever ticket they are of: nobody is sent to again. Deferring is for the newest ticket only: an
    older one knows less than the row. When an older one brings the last outcomes, the row ends.
    """
    ticket = report.ticket
    filter_: Row = {"_id": row_id(ticket.spool_id, ticket.leg)}
    newest: Row = {"state": RowState.ACTIVE, "epoch": ticket.epoch}
    filter_ |= {"state": {"$in": [RowState.ACTIVE, RowState.DEFERRED]}} if report.outcomes else newest
    is_newest = {"$and": [{"$eq": [f"${name}", value]} for name, value in newest.items()]}
    stages = _kept(report, deferral, now) if report.outcomes else []
    return UpdateOne(filter_, [{"$set": {"_newest": is_newest}}, *stages, *_put_back(report, deferral, now)])


def _kept(report: Report, deferral: Deferral, now: datetime) -> list[Row]:
    """Merge outcomes into a row; one that is there already stays."""
    ticket = report.ticket
    outcomes = outcome_rows(ticket.sender, ticket.recipients, report.outcomes, now)
    known = {"$setIsSubset": [list(outcomes), _KEYS]}
    changes: Row = {"_known": known}
    if any_due(outcomes.values()):
        changes |= {
            "bounce_at": {"$cond": [known, "$bounce_at", now]},
            "bounce_claim": {"$cond": [known, "$bounce_claim", "$$REMOVE"]},
        }
    if deferral.route:  # without `pending` the row does not know the targets of its ticket
        for name, value in routed_fields(ticket, deferral.route).items():
            changes[name] = {"$cond": [_HAS_PENDING, f"${name}", {"$literal": value}]}
    merged = {"$mergeObjects": [{"$literal": outcomes}, {"$ifNull": ["$outcomes", {}]}]}
    return [{"$set": changes}, {"$set": {"outcomes": merged}}]


def _put_back(report: Report, deferral: Deferral, now: datetime) -> list[Row]:
    ticket = report.ticket
    changes: Row = {
        "state": RowState.DEFERRED,
        "due_at": deferral.due_at,
        "attempt": ticket.attempt + deferral.tried,
        "reason": {"status": deferral.status, "text": deferral.text},
    }
    if deferral.route is not None:
        changes |= routed_fields(ticket, deferral.route)
    if ticket.HasField("verdict"):
        changes["verdict"] = ticket.verdict.SerializeToString()
    stage: Row = {name: _if_newest({"$literal": value}, f"${name}") for name, value in changes.items()}
    stage["lease"] = _if_newest("$$REMOVE", "$lease")
    left = [target for target in ticket.recipients if target.index not in report.outcomes]
    if delay_is_due(ticket.sender, left):
        late_since = from_ms(ticket.accepted_at_ms)
        stage["delay_at"] = _if_newest({"$max": ["$delay_at", late_since]}, "$delay_at")
    if ticket.timeline:
        is_news = {"$or": ["$_newest", {"$eq": ["$_known", False]}]}
        stage["timeline"] = {"$cond": [is_news, appended_timeline(ticket.timeline), "$timeline"]}
    return [
        {"$set": stage},
        {"$set": {"pending": _WITHOUT_ENDED}},
        *_all_ended(now),
        {"$unset": ["_newest", "_known"]},
    ]


def _all_ended(now: datetime) -> list[Row]:
    """End the row if no target is left."""
    empty = {"$and": [_HAS_PENDING, {"$eq": ["$pending", []]}]}
    ended: Row = {"state": RowState.DONE, "ended_at": now}
    ended |= dict.fromkeys(("due_at", "lease", "delay_at", "pending"), "$$REMOVE")
    return [{"$set": {name: {"$cond": [empty, value, f"${name}"]} for name, value in ended.items()}}]


def _if_newest(value: Any, otherwise: str) -> Row:
    return {"$cond": ["$_newest", value, otherwise]}


_KEYS: Row = {"$map": {"input": {"$objectToArray": {"$ifNull": ["$outcomes", {}]}}, "in": "$$this.k"}}
_HAS_PENDING: Row = {"$isArray": "$pending"}
_WITHOUT_ENDED: Row = {
    "$cond": [
        _HAS_PENDING,
        {
            "$filter": {
                "input": "$pending",
                "cond": {"$not": [{"$in": [{"$toString": {"$ifNull": ["$$this.index", 0]}}, _KEYS]}]},
            }
        },
        "$$REMOVE",
    ]
}
