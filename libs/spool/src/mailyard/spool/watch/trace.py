"""Read the trace of a message: its row and the rows of its legs, with their timelines and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailyard.spool.ids import accepted_second
from mailyard.spool.row import COLLECTION, RowState
from mailyard.store.client import Row, Store, unavailable_when_away


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One line of a trace."""

    at: datetime
    stage: str
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class TracedTarget:
    """One target and what became of it; `result` is empty while it waits."""

    address: str
    tenant: str
    result: str
    status: str
    text: str
    place: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TracedRow:
    """A row of a message: the message itself, or one of its legs."""

    id: str
    state: str
    tenant: str
    sender: str
    source: str
    accepted_at: datetime
    due_at: datetime | None
    attempt: int
    reason: str
    size: int
    targets: tuple[TracedTarget, ...]
    steps: tuple[TraceStep, ...]


async def trace(store: Store, spool_id: str) -> list[TracedRow]:
    """Return the row of a message and the rows of its legs; an empty list if the message is not known.

    Raises:
        BadSpoolId: the text is not a spool id.
        Unavailable: the store is unreachable.

    """
    whole = spool_id.partition(".")[0]
    accepted_second(whole)
    with unavailable_when_away():
        rows = store.collection(COLLECTION).find({"_id": {"$gte": whole, "$lt": f"{whole}/"}}).sort("_id")
        return [_traced(row) async for row in rows]


def _traced(row: Row) -> TracedRow:
    reason = row.get("reason", {})
    return TracedRow(
        id=row["_id"],
        state=row["state"],
        tenant=row["tenant"],
        sender=row["sender"],
        source=row.get("source", ""),
        accepted_at=row["accepted_at"],
        due_at=row.get("due_at") if row["state"] != RowState.HELD else None,
        attempt=row.get("attempt", 0),
        reason=f"{reason.get('status', '')} {reason.get('text', '')}".strip(),
        size=row["size"],
        targets=(*_ended(row), *_waiting(row)),
        steps=(*_accepted(row), *_steps(row.get("timeline", ()))),
    )


def _accepted(row: Row) -> list[TraceStep]:
    if "source" not in row:
        return []  # a leg: the row of the message itself has this step
    client = row["client"]
    said = " ".join(filter(None, (client.get("protocol"), client.get("name"), client.get("address"))))
    return [TraceStep(row["accepted_at"], "smtp-in", "message.accepted", said or row["source"])]


def _steps(entries: Sequence[Row]) -> list[TraceStep]:
    return [TraceStep(each["at"], each["stage"], each["event"], each.get("detail", "")) for each in entries]


def _ended(row: Row) -> list[TracedTarget]:
    outcomes = sorted(row.get("outcomes", {}).items(), key=lambda item: int(item[0]))
    return [
        TracedTarget(
            address=each["address"],
            tenant=each["tenant"],
            result=each["result"],
            status=each["status"],
            text=each.get("text", ""),
            place=each.get("place", ""),
            at=each["at"],
        )
        for _, each in outcomes
    ]


def _waiting(row: Row) -> list[TracedTarget]:
    if row["state"] in ("done", "split"):
        return []
    targets = row["pending" if "pending" in row else "recipients"]
    return [TracedTarget(each["address"], each["tenant"], "", "", "", "", None) for each in targets]
