"""`mailyard queue`: what waits in the broker."""

import typer

from mailyard.cli import deadletters
from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Session, perform
from mailyard.runtime.clock import now_utc
from mailyard.spool.depth import Depth, read_depths

app = typer.Typer(no_args_is_help=True, help="Queues: work that waits for a service.")
app.add_typer(deadletters.app, name="dead")

COLUMNS = (
    Column("queue", "Queue"),
    Column("mails", "Mails"),
    Column("oldest_seconds", "Oldest (s)"),
    Column("messages", "AMQP messages"),
    Column("consumers", "Consumers"),
)


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how many mails wait in each queue, and how long the oldest has."""

    async def depths(session: Session) -> list[Depth]:
        async with session.broker() as broker:
            return await read_depths(session.store, broker, now_utc())

    show([_record(each) for each in perform(context, depths)], COLUMNS, as_json=as_json)


def _record(depth: Depth) -> Record:
    return {
        "queue": depth.queue.value,
        "mails": depth.mails,
        "oldest_seconds": round(depth.oldest_seconds, 1),
        "messages": depth.messages,
        "consumers": depth.consumers,
    }
