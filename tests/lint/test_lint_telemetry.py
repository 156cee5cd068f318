"""Metrics and events: each package declares the names that it uses, uses the names that it declares, and follows the naming rules."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mailyard.runtime.catalogue import EVENTS, METRICS, EventType, Metric, collect
from tests.lint.packages_alone import packages

DECLARED = collect()
FORBIDDEN_LABELS = {"address", "recipient", "sender", "spool_id", "account", "mailbox", "ip"}
MAKERS = {"counter", "gauge", "histogram"}
LEVELS = {"debug", "info", "warning", "error", "exception"}


@pytest.mark.parametrize("metric", DECLARED.metrics.values(), ids=lambda metric: metric.name)
def test_each_metric_is_named_by_the_rule(metric: Metric) -> None:
    assert re.fullmatch(r"mailyard(_[a-z0-9]+)+", metric.name)
    assert metric.help.endswith(".")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("metric", DECLARED.metrics.values(), ids=lambda metric: metric.name)
def test_no_label_holds_an_address_or_an_id(metric: Metric) -> None:
    assert not set(metric.labels) & FORBIDDEN_LABELS


@pytest.mark.parametrize("event", DECLARED.events.values(), ids=lambda event: event.name)
def test_each_event_has_a_dotted_name_and_a_meaning(event: EventType) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_-]*\.[a-z0-9_.-]+", event.name)
    assert event.meaning.endswith(".")


def test_a_package_counts_only_what_it_or_a_package_below_declares() -> None:
    wrong = [
        f"{package}: {name}"
        for package, folder in FOLDERS.items()
        for name in metrics_used(folder)
        if METRICS.owner(name) not in {package, *below(package)}
    ]
    assert wrong == []


def test_a_package_logs_only_what_it_or_a_package_below_declares() -> None:
    wrong = [
        f"{package}: {name}"
        for package, folder in FOLDERS.items()
        for name in events_logged(folder)
        if name not in DECLARED.events or EVENTS.owner(name) not in {package, *below(package)}
    ]
    assert wrong == []


def test_every_declared_name_is_used_somewhere() -> None:
    used = {text for folder in FOLDERS.values() for text in texts(folder)}
    assert {*DECLARED.metrics, *DECLARED.events} - used == set()


def test_the_old_name_of_a_metric_belongs_to_no_other_metric() -> None:
    old = [metric.renamed.old for metric in DECLARED.metrics.values() if metric.renamed is not None]
    assert sorted({*old, *DECLARED.metrics}) == sorted([*old, *DECLARED.metrics])


@cache
def below(package: str) -> frozenset[str]:
    """Return the packages of the workspace that a package depends on, however far below they are."""
    direct = DEPENDENCIES[package] & DEPENDENCIES.keys()
    return frozenset(direct.union(*(below(each) for each in direct)))


def trees(folder: Path) -> Iterator[ast.Module]:
    yield from (ast.parse(path.read_text()) for path in folder.rglob("*.py") if path.name != "telemetry.py")


def texts(folder: Path) -> Iterator[str]:
    for tree in trees(folder):
        yield from (
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )


def first_arguments(folder: Path, functions: set[str]) -> Iterator[tuple[ast.expr, str]]:
    """Yield the called expression and its first argument, for each call with a literal text in that position."""
    for tree in trees(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called, text = node.func, node.args[0].value
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in functions and isinstance(text, str):
                    yield called, text


def metrics_used(folder: Path) -> set[str]:
    return {text for _, text in first_arguments(folder, MAKERS) if text.startswith("mailyard_")}


def events_logged(folder: Path) -> set[str]:
    """Return the events of calls like `_log.info("store.unavailable")`, `self._log.error(…)`."""
    return {
        text
        for called, text in first_arguments(folder, LEVELS)
        if isinstance(called, ast.Attribute) and ast.unparse(called.value).endswith("_log")
    }


def _module(project: str) -> str:
    return project.partition(">")[0].strip().replace("mailyard-", "mailyard.", 1).replace("-", "_")


_PROJECTS = {
    folder: tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in packages()
}
FOLDERS = {_module(project["name"]): folder / "src" for folder, project in _PROJECTS.items()}
DEPENDENCIES = {
    _module(project["name"]): {_module(each) for each in project.get("dependencies", ())}
    for project in _PROJECTS.values()
}
