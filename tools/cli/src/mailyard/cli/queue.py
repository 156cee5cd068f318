"""`mailyard queue`: depth and age of the queues."""

import typer

from mailyard.cli import deadletters
from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Session, perform
from mailyard.runtime.clock import now_utc
from mailyard.spool.watch.deferred import Deferred, count_held, read_deferred
from mailyard.spool.watch.depth import Depth, read_depths

app = typer.Typer(no_args_is_help=True, help="Show queues and dead letters.")
app.add_typer(deadletters.app, name="dead")

COLUMNS = (
    Column("queue", "Queue"),
    Column("mails", "Mails"),
    Column("oldest_seconds", "Oldest (s)"),
    Column("messages", "AMQP messages"),
    Column("consumers", "Consumers"),
    Column("next_due_at", "Next due"),
)


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """Show depth and age of each queue, and the number of deferred and held mails."""

    async def records(session: Session) -> list[Record]:
        async with session.broker() as broker:
            depths = await read_depths(session.store, broker, now_utc())
        held = Deferred(await count_held(session.store), None)
        deferred = await read_deferred(session.store)
        return [*map(_record, depths), _waiting("deferred", deferred), _waiting("held", held)]

    show(perform(context, records), COLUMNS, as_json=as_json)


def _record(depth: Depth) -> Record:
    return {
        "queue": depth.queue.value,
        "mails": depth.mails,
        "oldest_seconds": round(depth.oldest_seconds, 1),
        "messages": depth.messages,
        "consumers": depth.consumers,
        "next_due_at": None,
    }


def _waiting(name: str, waiting: Deferred) -> Record:
    """Deferred and held mail waits in MongoDB, not in a queue of the broker."""
    return {
        "queue": name,
        "mails": waiting.mails,
        "oldest_seconds": None,
        "messages": None,
        "consumers": None,
        "next_due_at": waiting.next_due_at,
    }
