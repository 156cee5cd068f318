"""Read the result of `explain`. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
_MATCHED = ("nReturned", "nCounted", "nMatched", "nWouldDelete", "nWouldModify")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a plan: `scan`, `sort` or `examined`."""

    kind: str
    text: str


def findings(explained: Document, listed: int = 0) -> list[Finding]:
    """Return what is wrong with the plan of a command, by its execution on large data.

    `listed` is how many documents the command names by `_id`: reading each of them once is no fault, even where the
    remaining conditions match none.
    """
    found: list[Finding] = []
    stages = {node["stage"] for node in _nodes(explained) if isinstance(node.get("stage"), str)}
    if "COLLSCAN" in stages:
        found.append(Finding("scan", "it reads the whole collection"))
    if "SORT" in stages:
        found.append(Finding("sort", "it sorts in memory"))
    for executed in (node["executionStats"] for node in _nodes(explained) if "executionStats" in node):
        examined, returned = executed["totalDocsExamined"], _returned(executed)
        if examined > max(2 * returned + 100, listed):
            found.append(Finding("examined", f"it examines {examined} documents and returns {returned}"))
    return found


def _returned(executed: Document) -> int:
    """Return how many documents came out, or were counted or changed."""
    numbers = [executed.get("nReturned", 0)]
    for node in _nodes(executed.get("executionStages", {})):
        if node.get("stage") in ("COUNT", "UPDATE", "DELETE"):
            numbers += [int(node.get(name, 0)) for name in _MATCHED]
    return max(numbers)


def _nodes(value: Any) -> Iterator[Document]:
    """Give each document within an answer, but for plans that were rejected."""
    if isinstance(value, Mapping):
        yield value
        for name, each in value.items():
            if name not in ("rejectedPlans", "command", "slotBasedPlan"):
                yield from _nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)
