"""`mailyard setup`: indexes, queues, and entries of a setup file."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mailyard.broker.connection import Broker
from mailyard.cli.ending import MISCONFIGURED, fail
from mailyard.cli.session import Session, perform
from mailyard.cli.setup.apply import Applier
from mailyard.cli.setup.building import build_indexes
from mailyard.cli.setup.plan import BadPlan, Plan, read_plan
from mailyard.cli.setup.waiting import declare_topology, store_reason, until_ready
from mailyard.directory.rowupgrade import upgrade_rows
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.store.client import Store


def setup(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option(help="YAML with tenants, domains, accounts and aliases to add.", dir_okay=False),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            help="Seconds to wait for MongoDB and RabbitMQ. The wait for an index build has no limit.",
            min=0,
        ),
    ] = 300.0,
) -> None:
    """Prepare a first start or an upgrade: indexes, queues, and the entries of a setup file.

    The command adds missing entries and does not change existing ones. It may run again, twice at the same time, and
    while services of an older version run. The password of an existing account is not changed.
    """
    plan = _plan(file)
    folder = file.parent if file is not None else Path()

    async def ready(store: Store) -> None:
        await until_ready("MongoDB", lambda: store_reason(store), _deadline(wait), typer.echo)

    async def work(session: Session) -> None:
        await build_indexes(session.store, wait, typer.echo)
        typer.echo("MongoDB: has all indexes")
        await upgrade_rows(session.store)
        broker = Broker(session.settings.amqp_url.get_secret_value(), "mailyard-setup", required=False)
        await declare_topology(broker, _deadline(wait), typer.echo)
        typer.echo("RabbitMQ: has all exchanges and queues")
        mailboxes = Mailboxes(session.store)
        await Applier(session.directory, session.suspension, mailboxes, folder, typer.echo).apply(plan)

    perform(context, work, ready=ready)


def _plan(file: Path | None) -> Plan:
    try:
        return read_plan(file) if file is not None else Plan()
    except BadPlan as error:
        fail(str(error), MISCONFIGURED)


def _deadline(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
