"""Splitting: a message that goes several ways becomes one row for each way, in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.spool.ids import row_id
from mailyard.spool.row import COLLECTION, Leg, Route, State, leg_row, ticket_of, timeline_rows
from mailyard.store.client import Row, Store, unavailable_when_away
from mailyard.store.transaction import in_transaction


@dataclass(frozen=True, slots=True)
class Split:
    """A ticket and the legs that its message becomes."""

    ticket: Ticket
    legs: tuple[Leg, ...]


async def split(store: Store, splits: Sequence[Split], now: datetime) -> list[tuple[Route, Ticket]]:
    """Write the legs of messages and return their tickets; a message that is split already gives none.

    Raises:
        Unavailable: the store is away; nothing was split.

    """
    if not splits:
        return []
    by_id = {each.ticket.spool_id: each for each in splits}

    async def write(session: AsyncClientSession) -> list[Row]:
        rows = store.collection(COLLECTION)
        whole = rows.find({"_id": {"$in": list(by_id)}, "state": State.ACTIVE}, {"_id": 1}, session=session)
        ours = [by_id[row["_id"]] async for row in whole]
        if not ours:
            return []
        await rows.bulk_write([_mark(each, now) for each in ours], ordered=False, session=session)
        legs = [row for each in ours for row in _rows(each, now)]
        await rows.insert_many(legs, ordered=False, session=session)
        return legs

    with unavailable_when_away():
        legs = await in_transaction(store, write)
    return [(Route(row["route"]), ticket_of(row)) for row in legs]


def _rows(whole: Split, now: datetime) -> list[Row]:
    return [leg_row(whole.ticket, number, leg, now) for number, leg in enumerate(whole.legs, start=1)]


def _mark(whole: Split, now: datetime) -> UpdateOne:
    update: dict[str, Any] = {
        "$set": {
            "state": State.SPLIT,
            "legs": len(whole.legs),
            "ended_at": now,
            "expansions": _expansions(whole),
        },
        "$unset": {"due_at": ""},
        "$push": {"timeline": {"$each": timeline_rows(whole.ticket.timeline)}},
    }
    return UpdateOne({"_id": row_id(whole.ticket.spool_id, whole.ticket.leg)}, update)


def _expansions(whole: Split) -> list[Row]:
    """By tenant, how many more targets than recipients there are (fewer: below 0)."""
    counts = Counter(target.tenant for leg in whole.legs for target in leg.targets)
    counts.subtract(recipient.tenant for recipient in whole.ticket.recipients)
    return [{"tenant": tenant, "count": count} for tenant, count in counts.items() if count]
