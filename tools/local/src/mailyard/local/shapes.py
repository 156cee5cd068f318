"""Records the shapes of the queries that product code sends while tests run, for `python -m tests.plans`.

A shape is a command without its values: which fields with which operators, in which order, on which collection. Each process
writes the first command of each shape, with its values, as one line of extended JSON to a file of its own.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from bson import json_util
from bson.json_util import CANONICAL_JSON_OPTIONS
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

DIRECTORY_VARIABLE = "MAILYARD_QUERY_SHAPES"
_COMMANDS = {"find", "aggregate", "count", "distinct", "update", "delete", "findAndModify"}
_ENVELOPE = {
    "lsid",
    "txnNumber",
    "autocommit",
    "startTransaction",
    "readConcern",
    "writeConcern",
    "maxTimeMS",
}
_MOST_MEMBERS = 200  # of a list in a recorded command
_MOST_OCTETS = 200
_CONSTANTS = {"state", "route"}  # fields whose value decides which index serves
_PRODUCT = "/src/mailyard/"
_NOT_PRODUCT = "/src/mailyard/local/"

Document = Mapping[str, Any]


class ShapeRecorder(CommandListener):
    """Writes each new shape once."""

    def __init__(self, directory: Path) -> None:
        """Write to a file of this process in `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory.resolve() / f"shapes-{os.getpid()}.jsonl"
        self._seen: set[str] = set()

    def started(self, event: CommandStartedEvent) -> None:
        """Look at a command that is about to be sent."""
        if event.command_name not in _COMMANDS or not isinstance(event.command[event.command_name], str):
            return  # a question about the server itself has no collection
        if (location := product_location(sys._getframe())) is None:  # noqa: SLF001
            return
        for command in single(event.command):
            key = shape_key(command)
            if key not in self._seen:
                self._seen.add(key)
                line = {"location": location, "command": _cut(command)}
                with self._file.open("a") as file:
                    file.write(json_util.dumps(line, json_options=CANONICAL_JSON_OPTIONS) + "\n")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing is of interest here."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing is of interest here."""


def product_location(frame: FrameType | None) -> str | None:
    """Return the function of the product that sends a command; None when a test or a tool of the tests does."""
    while frame is not None:
        name = frame.f_code.co_filename
        if _PRODUCT in name and _NOT_PRODUCT not in name:
            return f"{name.partition('/src/')[2]}:{_function(frame)}"
        if not _is_foreign(name) and _NOT_PRODUCT not in name:
            return None
        frame = frame.f_back
    return None


def _function(frame: FrameType) -> str:
    return frame.f_code.co_qualname.partition(".<locals>")[0]


def _is_foreign(name: str) -> bool:
    return "/site-packages/" in name or f"{os.sep}python3." in name or name.startswith("<")


def single(command: Document) -> Iterator[dict[str, Any]]:
    """Give a command without its envelope; a batch of changes as one command for each."""
    plain = {name: value for name, value in command.items() if name not in _ENVELOPE and name[0] != "$"}
    for batch in ("updates", "deletes"):
        if batch in plain:
            for change in plain[batch]:
                yield plain | {batch: [change]}
            return
    yield plain


def shape_key(command: Document) -> str:
    """Return a key that is equal for commands of one shape on one collection."""
    return f"{next(iter(command.values()))} {json_util.dumps(shape(command))}"


def shape(value: Any, name: str = "") -> Any:
    """Return a command with the types of its values instead."""
    match value:
        case Mapping():
            return {key: shape(each, _named(key, name)) for key, each in value.items()}
        case list() | tuple():
            return _unique([shape(each, name) for each in value])
        case bool() | None:
            return value
        case str() if name in _CONSTANTS or value.startswith("$"):
            return value
    return type(value).__name__ if name else value


def _named(key: str, name: str) -> str:
    return name or "value" if key.startswith("$") else key


def _unique(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _cut(value: Any) -> Any:
    """Return a value with long lists and long octets cut."""
    match value:
        case Mapping():
            return {key: _cut(each) for key, each in value.items()}
        case list() | tuple():
            return [_cut(each) for each in value[:_MOST_MEMBERS]]
        case bytes() | str():
            return value[:_MOST_OCTETS]
    return value
