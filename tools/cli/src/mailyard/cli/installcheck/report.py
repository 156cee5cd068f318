"""Print the findings as a table or as JSON."""

from collections import Counter
from collections.abc import Sequence

import typer
from rich import box
from rich.table import Table

from mailyard.cli.installcheck.finding import Level, Line
from mailyard.cli.listing import console, show_json

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red", Level.UNKNOWN: "blue"}


def show_report(lines: Sequence[Line], *, as_json: bool) -> None:
    """Print all lines in the order in which they were found, and how many there are of each level."""
    if as_json:
        show_json([_record(line) for line in lines])
        return
    console().print(_table(lines))
    counts = Counter(line.finding.level for line in lines)
    typer.echo(", ".join(f"{counts[level]} {level}" for level in Level))


def has_errors(lines: Sequence[Line]) -> bool:
    """Whether something does not work."""
    return any(line.finding.level is Level.ERROR for line in lines)


def _record(line: Line) -> dict[str, str]:
    found = line.finding
    return {
        "area": line.area,
        "level": found.level.value,
        "what": found.what,
        "instruction": found.instruction,
    }


def _table(lines: Sequence[Line]) -> Table:
    """Print each instruction below its finding."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Area", "Level", "Finding"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "Finding")
    for line in lines:
        found = line.finding
        text = f"{found.what}\n  -> {found.instruction}" if found.instruction else found.what
        table.add_row(
            line.area,
            found.level.value,
            text,
            style=None if found.level is Level.OK else _STYLES[found.level],
        )
    return table
