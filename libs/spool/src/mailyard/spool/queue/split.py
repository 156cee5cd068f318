"""Split a message that has several legs: each leg becomes a row, in one transaction.

The same transaction writes the outcomes of targets that nobody can reach, and the aliases whose expansion is reported: there
is no moment at which they could be forgotten.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.metrics import counter
from mailyard.spool.ids import row_id
from mailyard.spool.outcome import Outcome
from mailyard.spool.queue.reporting import any_due, outcome_rows
from mailyard.spool.row import COLLECTION, Leg, RowState, leg_row, ticket_of, timeline_rows
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction


@dataclass(frozen=True, slots=True)
class SplitMessage:
    """A ticket and the legs that its message becomes.

    `failed`: by the number of a leg (from 1), the outcomes of all its targets. `expanded`: aliases among the ticket's
    recipients whose expansion is reported to the sender.
    """

    ticket: Ticket
    legs: tuple[Leg, ...]
    failed: Mapping[int, Mapping[int, Outcome]] = field(default_factory=dict)
    expanded: tuple[Recipient, ...] = ()


async def split(store: Store, splits: Sequence[SplitMessage], now: datetime) -> list[tuple[Route, Ticket]]:
    """Write the legs of messages; return the tickets of those that go on. A message that is split already gives none.

    Raises:
        Unavailable: the store is unreachable; nothing was split.

    """
    if not splits:
        return []
    by_id = {each.ticket.spool_id: each for each in splits}

    async def write(session: AsyncClientSession) -> list[Row]:
        rows = store.collection(COLLECTION)
        query = {"_id": {"$in": list(by_id)}, "state": RowState.ACTIVE}
        wholes = [row async for row in rows.find(query, {"delay_at": 1}, session=session)]
        if not wholes:
            return []
        marks = [_mark(by_id[row["_id"]], now) for row in wholes]
        await rows.bulk_write(marks, ordered=False, session=session)
        legs = [leg for row in wholes for leg in _rows(by_id[row["_id"]], row, now)]
        await rows.insert_many(legs, ordered=False, session=session)
        return legs

    with unavailable_when_away():
        legs = await in_transaction(store, write)
    _count(legs)
    return [(Route(row["route"]), ticket_of(row)) for row in legs if row["state"] == RowState.ACTIVE]


def _count(legs: Sequence[Row]) -> None:
    for leg in legs:
        for outcome in leg.get("outcomes", {}).values():
            counter("mailyard_spool_outcomes_total").labels(outcome["result"]).inc()


def _rows(whole: SplitMessage, row: Row, now: datetime) -> list[Row]:
    """Make the rows of the legs; a delay report of the whole message counts for each leg."""
    reported = {"delay_at": row["delay_at"]} if "delay_at" in row else {}
    rows = []
    for number, leg in enumerate(whole.legs, start=1):
        made = leg_row(whole.ticket, number, leg, now)
        outcomes = whole.failed.get(number)
        rows.append(
            made | reported if outcomes is None else _ended(made, whole.ticket.sender, leg, outcomes, now)
        )
    return rows


def _ended(row: Row, sender: str, leg: Leg, outcomes: Mapping[int, Outcome], now: datetime) -> Row:
    """End a leg whose targets nobody can reach."""
    written = outcome_rows(sender, leg.targets, outcomes, now)
    text = next(iter(outcomes.values())).text
    step = {"at": now, "stage": "router", "event": "message.failed", "detail": text}
    ended = row | {
        "state": RowState.DONE,
        "ended_at": now,
        "attempt": 1,
        "outcomes": written,
        "timeline": [step],
    }
    for name in ("due_at", "pending"):
        del ended[name]
    return ended | ({"bounce_at": now} if any_due(written.values()) else {})


def _mark(whole: SplitMessage, now: datetime) -> UpdateOne:
    changes: Row = {
        "state": RowState.SPLIT,
        "legs": len(whole.legs),
        "ended_at": now,
        "expansions": _expansions(whole),
    }
    if whole.expanded:
        changes |= {
            "expanded": {f"x{each.index}": _expanded(each, now) for each in whole.expanded},
            "bounce_at": now,
        }
    update: dict[str, Any] = {
        "$set": changes,
        "$unset": {"due_at": "", "delay_at": ""},
        "$push": {"timeline": {"$each": timeline_rows(whole.ticket.timeline)}},
    }
    return UpdateOne({"_id": row_id(whole.ticket.spool_id, whole.ticket.leg)}, update)


def _expanded(alias: Recipient, now: datetime) -> Row:
    row: Row = {"address": alias.address, "notify": alias.notify, "orcpt": alias.orcpt, "at": now}
    return {name: value for name, value in row.items() if value}


def _expansions(whole: SplitMessage) -> list[Row]:
    """By tenant, how many more targets than recipients there are (fewer: below 0)."""
    counts = Counter(target.tenant for leg in whole.legs for target in leg.targets)
    counts.subtract(recipient.tenant for recipient in whole.ticket.recipients)
    return [{"tenant": tenant, "count": count} for tenant, count in counts.items() if count]
