"""`mailyard sealing-key`: keys that encrypt the secrets in MongoDB (`mailyard.directory.sealing`)."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from mailyard.cli.ending import REFUSED, fail
from mailyard.directory.sealing import SealingError, new_sealing_key

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _sealing_key() -> None:
    """Make keys that encrypt the secrets in MongoDB."""


@app.command()
def new(
    name: Annotated[
        str,
        typer.Option("--id", help="The id of the key: 1 to 32 of a-z, 0-9 and hyphen. Default: the date."),
    ] = "",
) -> None:
    """Print a new key, as a line of MAILYARD_SEALING_KEYS.

    The first key there encrypts, all of them decrypt: put a new key first, and keep the old ones.
    """
    try:
        typer.echo(new_sealing_key(name or f"{datetime.now(UTC):%Y-%m-%d}"))
    except SealingError as error:
        fail(str(error), REFUSED)
