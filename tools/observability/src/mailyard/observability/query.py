"""Reads PromQL far enough to know every metric and label of a query, and refuses names that no package declares.

Dashboards write their queries without a namespace; `scoped` puts the matcher into every selector.
"""

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mailyard.observability.foreign import FOREIGN, ForeignMetric
from mailyard.runtime.catalogue import Metric, collect

TARGET_LABELS = frozenset({"namespace", "pod", "instance", "job", "container"})
_HISTOGRAM_ENDS = ("_bucket", "_sum", "_count")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<range>\[[^\]]*\])
    |(?P<variable>\$\w+|\$\{\w+\})
    |(?P<number>\d[\w.]*)
    |(?P<name>[A-Za-z_][\w:]*)
    |(?P<sign>[^\s])""",
    re.VERBOSE,
)


class BadQuery(ValueError):
    """A query names a metric or a label that no service exports."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One vector selector: the metric, the labels of its matchers, and its position in the text."""

    metric: str
    labels: tuple[str, ...]
    end: int  # behind the name
    braced: bool


def selectors(query: str) -> list[Selector]:
    """Return every selector of a query, from left to right."""
    return list(_selectors(query))


def check(query: str, recorded: Mapping[str, Collection[str]]) -> None:
    """Check metrics and labels of a query; `recorded` are the labels of recording rules.

    Raises:
        BadQuery: it names a metric that no package declares, or a label that its metrics do not have.

    """
    known: set[str] = set(TARGET_LABELS)
    for selector in selectors(query):
        labels = labels_of(selector.metric, recorded)
        known |= labels
        if unknown := set(selector.labels) - labels - TARGET_LABELS:
            raise BadQuery(f"{selector.metric} has no label {', '.join(sorted(unknown))}: {query}")
    if unknown := set(_grouped(query)) - known:
        raise BadQuery(f"no metric of the query has the label {', '.join(sorted(unknown))}: {query}")


def labels_of(name: str, recorded: Mapping[str, Collection[str]]) -> set[str]:
    """Return the labels of a series.

    Raises:
        BadQuery: no package exports it.

    """
    if name in recorded:
        return set(recorded[name])
    if name in FOREIGN:
        return set(FOREIGN[name].labels)
    declared = _declared()
    if name in declared and declared[name].kind != "histogram":
        return set(declared[name].labels)
    for end in _HISTOGRAM_ENDS:
        metric = declared.get(name.removesuffix(end))
        if name.endswith(end) and metric is not None and metric.kind == "histogram":
            return {*metric.labels, "le"} if end == "_bucket" else set(metric.labels)
    raise BadQuery(
        f"{name} is declared neither by a package of Mailyard nor in mailyard.observability.foreign: declare it first"
    )


@functools.cache
def _declared() -> Mapping[str, Metric]:
    return collect().metrics


def scoped(query: str, matcher: str) -> str:
    """Put `matcher` into every selector whose `namespace` is that of the mail."""
    for selector in reversed(selectors(query)):
        foreign = FOREIGN.get(selector.metric)
        if foreign is None or foreign.namespaced:
            inside = f"{{{matcher}," if selector.braced else f"{{{matcher}}}"
            behind = selector.end + 1 if selector.braced else selector.end
            query = query[: selector.end] + inside + query[behind:]
    return query


def foreigners(query: str) -> list[ForeignMetric]:
    """Return the metrics of others that a query reads."""
    return [FOREIGN[each.metric] for each in selectors(query) if each.metric in FOREIGN]


def _selectors(query: str) -> Iterator[Selector]:
    tokens = list(_TOKEN.finditer(query))
    position = 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1].group() if position + 1 < len(tokens) else ""
        if token.lastgroup != "name" or token.group() in _WORDS:
            position += 1
        elif token.group() in _LABEL_LISTS:
            position = _behind(tokens, position + 1, ")") if following == "(" else position + 1
        elif following == "(" or _is_aggregation(tokens, position):
            position += 1
        elif following == "{":
            behind = _behind(tokens, position + 1, "}")
            inside = tokens[position + 2 : behind - 1]
            labels = tuple(each.group() for each in inside if each.lastgroup == "name")
            yield Selector(token.group(), labels, token.end(), braced=True)
            position = behind
        else:
            yield Selector(token.group(), (), token.end(), braced=False)
            position += 1


def _is_aggregation(tokens: "list[re.Match[str]]", position: int) -> bool:
    """`sum by (…) (…)`: the operator is before its label list."""
    following = tokens[position + 1].group() if position + 1 < len(tokens) else ""
    return following in ("by", "without")


def _behind(tokens: "list[re.Match[str]]", position: int, end: str) -> int:
    while tokens[position].group() != end:
        position += 1
    return position + 1


def _grouped(query: str) -> Iterator[str]:
    """Yield the labels of by (…), on (…) and the like; `le` comes with every histogram."""
    for found in re.finditer(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)", query):
        yield from (label.strip() for label in found[1].split(",") if label.strip())
