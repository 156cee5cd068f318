"""What the verbs `remove` share: consent, and how long mail is kept."""

from datetime import timedelta
from typing import Annotated

import typer

from mailyard.cli.session import Refused

Yes = Annotated[bool, typer.Option("--yes", help="Remove: without it, nothing is removed.")]
KeepDays = Annotated[
    int,
    typer.Option(metavar="DAYS", help="Keep the mail for so many days; 0: delete it soon.", min=0, max=3650),
]


def confirmed(yes: bool, consequence: str) -> None:
    """Refuse, with what would happen, unless there is consent. Raises Refused."""
    if not yes:
        raise Refused(f"{consequence}: repeat with --yes")


def kept(days: int) -> timedelta:
    """How long mail stays after its account was removed."""
    return timedelta(days=days)
