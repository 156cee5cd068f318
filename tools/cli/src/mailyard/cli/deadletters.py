"""`mailyard queue dead`: list and remove dead letters."""

from collections.abc import Sequence
from typing import Annotated

import typer

from mailyard.broker.deadletters import DeadLetter, DeadLetters
from mailyard.broker.pipeline import Queue
from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Refused, Session, perform

app = typer.Typer(
    no_args_is_help=True,
    help="List or remove dead letters: tickets that no service could handle. Their messages are in the spool.",
)

COLUMNS = (
    Column("queue", "From queue"),
    Column("reason", "Reason"),
    Column("died_at", "Since"),
    Column("octets", "Octets"),
    Column("spool_ids", "Spool ids"),
)


@app.command("list")
def list_all(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option(help="Largest number of AMQP messages to show, oldest first.", min=1, max=10_000)
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Show dead letters and leave them in the queue."""

    async def letters(session: Session) -> Sequence[DeadLetter]:
        async with session.broker() as broker:
            return await DeadLetters(broker).read(limit)

    show([_record(each) for each in perform(context, letters)], COLUMNS, as_json=as_json)


@app.command("empty")
def empty(
    context: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm the removal. Without this option nothing is changed.")
    ] = False,
) -> None:
    """Remove all dead letters. No mail is lost: the router publishes new tickets for their rows."""

    async def work(session: Session) -> int:
        async with session.broker() as broker:
            if not yes:
                count = (await broker.depth(Queue.DEAD)).messages
                raise Refused(
                    f"{count} AMQP messages are in the queue dead: repeat with --yes to remove them"
                )
            return await DeadLetters(broker).empty()

    typer.echo(f"{perform(context, work)} AMQP messages removed")


def _record(letter: DeadLetter) -> Record:
    return {
        "queue": letter.queue,
        "reason": letter.reason,
        "died_at": letter.died_at,
        "octets": letter.octets,
        "spool_ids": list(letter.spool_ids),
    }
