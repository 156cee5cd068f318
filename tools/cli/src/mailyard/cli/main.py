"""The `mailyard` command.

Exit status: 0 done; 1 refused, with the reason on standard error; 2 wrong usage; 69 a server is unreachable; 78 wrong settings.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.verbs import Verbs, add_verbs

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add_verbs(app)


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
    """Administer a Mailyard installation."""
    context.obj = config


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
