"""The `mailyard` command.

Exit status: 0 done; 1 refused, with the reason on standard error; 2 wrong usage; 69 a server is away; 78 wrong settings.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli import account, alias, domain, queue, tenant
from mailyard.cli.canary import canary
from mailyard.cli.installcheck.command import install_check
from mailyard.cli.ledger import ledger
from mailyard.cli.load import load
from mailyard.cli.replicaset import command as replica_set
from mailyard.cli.schema import schema
from mailyard.cli.setup.command import setup
from mailyard.cli.sink import sink
from mailyard.cli.trace import trace

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(tenant.app, name="tenant")
app.add_typer(domain.app, name="domain")
app.add_typer(account.app, name="account")
app.add_typer(alias.app, name="alias")
app.add_typer(queue.app, name="queue")
app.add_typer(replica_set.app, name="replica-set")
app.command()(setup)
app.command()(install_check)
app.command()(canary)
app.command()(sink)
app.command()(load)
app.command()(trace)
app.command()(ledger)
app.command()(schema)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailyard {version('mailyard-cli')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="File with MAILYARD_MONGO_URL, MAILYARD_AMQP_URL and MAILYARD_MONGO_DATABASE; without it the "
            "environment counts, and where that names no server, var/local/env.",
            dir_okay=False,
        ),
    ] = None,
    show_version: Annotated[  # noqa: ARG001  # its callback does it
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Look after a Mailyard: first start, tenants, domains, accounts, aliases, queues, traces, the ledger, trials."""
    context.obj = config


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
