"""Output of a command: a table, or JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from mailyard.directory.names import display_address
from mailyard.message.address import Address

Value = str | int | float | bool | None | datetime | list[str]
Record = dict[str, Value]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
_A_LABEL_ADDRESS = re.compile(
    r"[^\s@]+@(?:[a-z0-9-]+\.)*xn--[a-z0-9.-]+"
)  # tables show U-labels, JSON does not
_WIDE = 1000  # nothing is cut off or wrapped where no terminal sets a width


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the key of the record, and the heading."""

    key: str
    heading: str


def show(records: Sequence[Record], columns: Sequence[Column], *, as_json: bool) -> None:
    """Print records: all their keys as JSON, or the given columns as a table."""
    if as_json:
        show_json(records)
        return
    if not records:
        typer.echo("(none)")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = all(isinstance(record[column.key], int | float | None) for record in records)
        table.add_column(column.heading, justify="right" if numeric else "left", overflow="fold")
    for record in records:
        table.add_row(*(_text(record[column.key]) for column in columns))
    console().print(table)


def show_json(value: object) -> None:
    """Print a value as JSON, times in RFC 3339."""
    typer.echo(json.dumps(value, default=_json_text, ensure_ascii=False, indent=2))


def console() -> Console:
    """Return the console for tables."""
    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=_WIDE)


def moment(value: datetime) -> str:
    """Write a time in RFC 3339, UTC, to the millisecond."""
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, str) and _A_LABEL_ADDRESS.fullmatch(value):
        return display_address(Address.parse(value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _json_text(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
