"""`mailyard trace`: the timeline of a message and its legs."""

import dataclasses
from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, moment, show, show_json
from mailyard.cli.session import Refused, Session, perform
from mailyard.spool.ids import BadSpoolId
from mailyard.spool.watch.trace import TracedRow
from mailyard.spool.watch.trace import trace as read_trace

TARGETS = (
    Column("leg", "Leg"),
    Column("recipient", "Recipient"),
    Column("result", "Result"),
    Column("status", "Status"),
    Column("text", "Response"),
)
STEPS = (
    Column("at", "When"),
    Column("leg", "Leg"),
    Column("stage", "Stage"),
    Column("event", "Event"),
    Column("detail", "Detail"),
)


def trace(
    context: typer.Context,
    spool_id: Annotated[
        str, typer.Argument(metavar="SPOOL-ID", help="The id from the 250 reply or a Received field.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show what happened to a message and its legs."""
    rows = perform(context, lambda session: _rows(session, spool_id))
    if as_json:
        show_json([dataclasses.asdict(row) for row in rows])
        return
    typer.echo(_headline(rows[0]))
    show(_targets(rows), TARGETS, as_json=False)
    show(_steps(rows), STEPS, as_json=False)


async def _rows(session: Session, spool_id: str) -> list[TracedRow]:
    if "@" in spool_id:
        raise Refused(
            f"{spool_id} is a Message-ID or an address; trace needs the spool id: the 20 characters after 'queued as'"
            " in the 250 reply, or after 'id' in a Received field"
        )
    try:
        rows = await read_trace(session.store, spool_id)
    except BadSpoolId as error:
        raise Refused(str(error)) from None
    if not rows:
        raise Refused(f"there is no message {spool_id}")
    return rows


def _headline(message: TracedRow) -> str:
    accepted = moment(message.accepted_at)
    sender = f"<{message.sender}>"
    return f"{message.id}  from {sender}  tenant {message.tenant}  {message.size} bytes  accepted {accepted}"


def _targets(rows: list[TracedRow]) -> list[Record]:
    return [
        {
            "leg": _leg(row),
            "recipient": target.address,
            "result": target.result or f"waits ({row.state})",
            "status": target.status,
            "text": target.text if target.result else _why_waiting(row),
        }
        for row in rows
        for target in row.targets
    ]


def _steps(rows: list[TracedRow]) -> list[Record]:
    """Return the steps of all legs, ordered by time."""
    steps = [(step, _leg(row)) for row in rows for step in row.steps]
    return [
        {"at": step.at, "leg": leg, "stage": step.stage, "event": step.event, "detail": step.detail}
        for step, leg in sorted(steps, key=lambda pair: pair[0].at)
    ]


def _why_waiting(row: TracedRow) -> str:
    due = f"next attempt {moment(row.due_at)}" if row.due_at and row.reason else ""
    return "; ".join(filter(None, (row.reason, due)))


def _leg(row: TracedRow) -> int:
    return int(row.id.partition(".")[2] or 0)
