"""The chart's README: a page written by hand, in which tables of the values replace a marker."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from mailyard.chart.entries import BadComment, Entry

MARKER: Final = "<!-- values -->\n"
_GENERATED: Final = (
    "<!-- Written by `make chart` from README.template.md and values.yaml; change it there. -->\n\n"
)
_HEAD: Final = ("value", "default", "meaning")


def readme_text(template: str, values: Iterable[Entry]) -> str:
    """Return the file's text. Raises BadComment when the template has no marker."""
    if MARKER not in template:
        raise BadComment(f"README.template.md has no line {MARKER.strip()}")
    sections = groupby(values, key=lambda entry: entry.section)
    tables = "\n".join(_section(title, list(members)) for title, members in sections)
    return _GENERATED + template.replace(MARKER, tables)


def _section(title: str, members: list[Entry]) -> str:
    rows = [row for entry in members for row in _rows(entry, ".".join(entry.path))]
    compared = [_comparison(entry) for entry in members if entry.keywords.get("each")]
    return "\n".join([f"### {title}", "", *_remarks(members), _table(_HEAD, rows), *compared])


def _remarks(members: list[Entry]) -> list[str]:
    """Return the description of a group of values."""
    return [
        f"`{entry.name}`: {entry.description}\n" for entry in members if entry.children and entry.description
    ]


def _rows(entry: Entry, path: str) -> Iterator[tuple[str, ...]]:
    if entry.keywords.get("each"):
        first = entry.children[0]
        yield from (row for child in first.children for row in _rows(child, f"{path}.<name>.{child.name}"))
    elif entry.children:
        yield from (row for child in entry.children for row in _rows(child, f"{path}.{child.name}"))
    else:
        yield f"`{path}`", _default(entry.default), _meaning(entry)


def _meaning(entry: Entry) -> str:
    allowed = entry.keywords.get("enum")
    choices = f" One of {', '.join(_default(value) for value in allowed)}." if allowed else ""
    return entry.description.replace("<", "\\<") + choices  # else Markdown takes <name> for HTML


def _comparison(entry: Entry) -> str:
    """Defaults that differ between children that are alike otherwise."""
    names = [child.name for child in entry.children]
    leaves = [dict(_leaves(child.default)) for child in entry.children]
    differing = [path for path in leaves[0] if len({_default(each.get(path)) for each in leaves}) > 1]
    rows = [(f"`{path}`", *(_default(each.get(path)) for each in leaves)) for path in differing]
    return f"Where the defaults differ:\n\n{_table(('value', *names), rows)}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


def _default(value: Any) -> str:
    return "empty" if value in ("", None) else f"`{json.dumps(value).strip(chr(34))}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
