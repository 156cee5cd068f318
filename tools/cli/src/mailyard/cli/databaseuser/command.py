"""`mailyard database-user`: print the commands for the users of services, or create these users."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from mailyard.cli.configuration import BadConfiguration, configuration
from mailyard.cli.databaseuser.applying import apply, logins_in
from mailyard.cli.databaseuser.mongodb import as_mongosh, create_commands
from mailyard.cli.databaseuser.rabbitmq import as_rabbitmqctl, permissions
from mailyard.cli.databaseuser.rights import RIGHTS, ServiceRights
from mailyard.cli.ending import MISCONFIGURED, REFUSED, fail
from mailyard.cli.listing import show_json
from mailyard.cli.session import Refused, Session, perform
from mailyard.cli.setup.waiting import store_reason, until_ready
from mailyard.store.client import Store

app = typer.Typer(
    no_args_is_help=True,
    help="Database users: one for each service, with least rights.",
)

Services = Annotated[
    list[str] | None,
    typer.Option("--service", help=f"Only this service; may be repeated. One of {', '.join(RIGHTS)}."),
]


@app.command("print")
def print_all(
    context: typer.Context,
    service: Services = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of commands.")] = False,
) -> None:
    """Print the commands that create the users, for mongosh and rabbitmqctl. Both prompt for the passwords."""
    wanted = _wanted(service)
    try:
        settings = configuration(context.obj)
    except BadConfiguration as error:
        fail(str(error), MISCONFIGURED)
    database = settings.mongo_database
    vhost = unquote(urlsplit(settings.amqp_url.get_secret_value()).path[1:]) or "/"
    commands = [command for rights in wanted for command in create_commands(rights, database)]
    allowed = [permissions(rights) for rights in wanted if rights.broker]
    if as_json:
        show_json(
            {
                "mongodb": {"database": database, "commands": commands},
                "rabbitmq": {"vhost": vhost, "permissions": [asdict(each) for each in allowed]},
            }
        )
        return
    typer.echo(f"// MongoDB: in mongosh, as a user with the role userAdmin on the database {database}")
    for command in commands:
        typer.echo(as_mongosh(command, database))
    typer.echo("\n# RabbitMQ: in a shell of a node")
    for each in allowed:
        typer.echo(as_rabbitmqctl(each, vhost))


@app.command("apply")
def apply_all(
    context: typer.Context,
    *,
    passwords: Annotated[
        Path,
        typer.Option(
            help="Folder with one file per service, named like the service; the first line is the password.",
            exists=True,
            file_okay=False,
        ),
    ],
    service: Services = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for MongoDB.", min=0)] = 30.0,
) -> None:
    """Create the roles and users in MongoDB, or update existing ones.

    MAILYARD_MONGO_URL must name a user with the role userAdmin on Mailyard's database. It may run again, and while
    services run. RabbitMQ is not changed.
    """
    try:
        logins = logins_in(passwords, _wanted(service))
    except Refused as error:
        fail(str(error), REFUSED)

    async def ready(store: Store) -> None:
        deadline = asyncio.get_running_loop().time() + wait
        await until_ready("MongoDB", lambda: store_reason(store), deadline, typer.echo)

    async def work(session: Session) -> None:
        await apply(session.store, logins, typer.echo)

    perform(context, work, ready=ready)


def _wanted(services: list[str] | None) -> list[ServiceRights]:
    unknown = [service for service in services or () if service not in RIGHTS]
    if unknown:
        raise typer.BadParameter(
            f"no such service: {', '.join(unknown)}; known services: {', '.join(RIGHTS)}"
        )
    return [RIGHTS[service] for service in services or RIGHTS]
