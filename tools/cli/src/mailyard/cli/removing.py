"""Options that all `remove` commands have: `--yes` and `--keep-days`."""

from datetime import timedelta
from typing import Annotated

import typer

from mailyard.cli.session import Refused

Yes = Annotated[
    bool, typer.Option("--yes", help="Confirm the removal. Without this option nothing is changed.")
]
KeepDays = Annotated[
    int | None,
    typer.Option(
        metavar="DAYS",
        help="Days until the mail is deleted; 0: at the router's next cleanup. Default: the policy of the domain or"
        " tenant, else 30.",
        min=0,
        max=3650,
    ),
]


def confirmed(yes: bool, consequence: str) -> None:
    """Continue only with `--yes`. Raises Refused, with the consequence."""
    if not yes:
        raise Refused(f"{consequence}: repeat with --yes")


def kept(days: int | None) -> timedelta | None:
    """Return how long mail stays after its account was removed; None: as the policy says."""
    return None if days is None else timedelta(days=days)
