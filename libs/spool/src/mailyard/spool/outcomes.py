"""The one place that ends or defers a leg: whoever has worked on a ticket reports here.

A report is one update of the row, and many reports are one command. Outcomes are kept by target number, so that
a report that is written twice, or by two consumers of one ticket, changes nothing the second time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne, WriteConcern

from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.ids import row_id
from mailyard.spool.outcome import Deferral, Outcome, Report
from mailyard.spool.reasons import reason_of
from mailyard.spool.row import COLLECTION, State, pending_rows, timeline_rows
from mailyard.store.client import DURABLE, Collection, Row, Store, unavailable_when_away
from mailyard.store.group import GroupCommit
from mailyard.store.watch import timed_write

_BATCH_REPORTS = 200
_EVERYTHING = 1 << 40  # reports have no weight


class Outcomes:
    """Writes reports into the rows."""

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
            self._write, _concluded, max_items=_BATCH_REPORTS, max_octets=_EVERYTHING
        )

    @property
    def _rows(self) -> Collection:
        concern = DURABLE if self._durable else WriteConcern(w=1)
        return self._store.db.get_collection(COLLECTION, write_concern=concern)

    async def report(self, report: Report) -> None:
        """Write one report, together with others that come at the same time.

        Raises:
            Unavailable: the store is away; report again.

        """
        await self._group.submit(report)

    async def report_many(self, reports: Sequence[Report]) -> None:
        """Write reports in one command.

        Raises:
            Unavailable: the store is away; report again.

        """
        if reports:
            await self._write(reports)

    async def idle(self) -> None:
        """Wait until what was handed in is written."""
        await self._group.idle()

    async def _write(self, reports: Sequence[Report]) -> Sequence[Report]:
        now = self._clock()
        with timed_write("outcome"), unavailable_when_away():
            await self._rows.bulk_write([_update(report, now) for report in reports], ordered=False)
        self._count(reports)
        return reports

    def _count(self, reports: Sequence[Report]) -> None:
        for report in reports:
            for outcome in report.outcomes.values():
                self._ended.labels(outcome.result).inc()
            if report.deferral:
                self._deferred.labels(
                    report.deferral.route or "unrouted", reason_of(report.deferral.status)
                ).inc()


async def _concluded(reports: Sequence[Report]) -> list[None]:
    return [None] * len(reports)


def _update(report: Report, now: datetime) -> UpdateOne:
    ticket = report.ticket
    changes: Row = {
        f"outcomes.{target.index}": _outcome_row(report.outcomes[target.index], target, now)
        for target in ticket.recipients
        if target.index in report.outcomes
    }
    if ticket.expanded:
        changes["expansions"] = [{"tenant": ticket.tenant, "count": ticket.expanded}]
    if ticket.sender and any(outcome.result.failed for outcome in report.outcomes.values()):
        changes["bounce_at"] = now
    update: dict[str, Any] = {"$set": changes}
    if ticket.timeline:
        update["$push"] = {"timeline": {"$each": timeline_rows(ticket.timeline)}}
    return _deferred(report, report.deferral, update) if report.deferral else _ended(report, update, now)


def _ended(report: Report, update: dict[str, Any], now: datetime) -> UpdateOne:
    """End the row. What is done is done: it holds whichever ticket it was done for."""
    ticket = report.ticket
    update["$set"] |= {"state": State.DONE, "ended_at": now, "attempt": ticket.attempt + 1, **_sum(report)}
    update["$unset"] = {"due_at": "", "pending": "", "lease": ""}
    return UpdateOne({"_id": row_id(ticket.spool_id, ticket.leg), "state": {"$ne": State.DONE}}, update)


def _sum(report: Report) -> Row:
    """Sum up a message that ended at once and in one way, which nearly all do: the ledger reads no more of it then."""
    ticket = report.ticket
    results = {outcome.result for outcome in report.outcomes.values()}
    tenants = {target.tenant for target in ticket.recipients}
    if ticket.attempt or ticket.expanded or len(results) != 1 or len(tenants) != 1:
        return {}
    return {"sum": {"tenant": tenants.pop(), "result": results.pop(), "count": len(ticket.recipients)}}


def _deferred(report: Report, deferral: Deferral, update: dict[str, Any]) -> UpdateOne:
    """Put off what is left. Only the newest ticket may do that: an older one knows less than the row."""
    ticket = report.ticket
    changes = update["$set"]
    changes |= {
        "state": State.DEFERRED,
        "due_at": deferral.due_at,
        "attempt": ticket.attempt + deferral.tried,
        "reason": {"status": deferral.status, "text": deferral.text},
    }
    if deferral.route is not None:
        changes |= {
            "route": deferral.route,
            "site": ticket.site,
            "pending": pending_rows(each for each in ticket.recipients if each.index not in report.outcomes),
        }
    if ticket.HasField("verdict"):
        changes["verdict"] = ticket.verdict.SerializeToString()
    update["$unset"] = {"lease": ""}
    return UpdateOne(
        {"_id": row_id(ticket.spool_id, ticket.leg), "state": State.ACTIVE, "epoch": ticket.epoch}, update
    )


def _outcome_row(outcome: Outcome, target: Recipient, now: datetime) -> Row:
    row: Row = {
        "result": outcome.result,
        "status": outcome.status,
        "address": target.address,
        "tenant": target.tenant,
        "at": now,
    }
    optional = {"text": outcome.text, "place": outcome.place}
    if outcome.result.failed:
        optional |= {"notify": target.notify, "orcpt": target.orcpt}  # the bounce must honour them
    return row | {name: value for name, value in optional.items() if value}
