"""Failures of the command: an exit status, and the reason on standard error."""

from typing import NoReturn

import typer

REFUSED = 1  # the request cannot be fulfilled: the name exists already, nothing is found
UNAVAILABLE = 69  # sysexits.h: EX_UNAVAILABLE, a server is unreachable
MISCONFIGURED = 78  # sysexits.h: EX_CONFIG


def fail(text: str, status: int) -> NoReturn:
    """Print the reason on standard error and end with a status."""
    typer.echo(f"mailyard: {text}", err=True)
    raise typer.Exit(status)
