"""Scaling of the four services from the values of the chart, the base file first and overlays over it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

import yaml

from bench.autoscale.hpa import Kind, Scaling, ScalingRules, Trigger
from bench.autoscale.pipeline import QUEUES_OF, SERVICES

Tree = Mapping[str, object]
_STILL = ScalingRules(0, 0, 0, 1)


class BadValues(Exception):
    """A values file or option that says too little or something unknown; the text says which."""


def read(files: Sequence[Path], overrides: Sequence[str] = ()) -> dict[str, Scaling]:
    """Scaling of each service; `overrides` are `service.path=number`, such as `delivery.depth.mailsPerReplica=500`."""
    tree: Tree = {}
    for file in files:
        tree = merged(tree, _loaded(file))
    for override in overrides:
        tree = merged(tree, _override(override))
    return {service: scaling(service, tree) for service in SERVICES}


def scaling(service: str, tree: Tree) -> Scaling:
    """One service's part of a values tree; without autoscaling it stays at `replicas`."""
    path = f"services.{service}"
    if not _branch(tree, f"{path}.autoscaling").get("enabled"):
        replicas = _number(tree, f"{path}.replicas")
        return Scaling(replicas, replicas, _STILL, _STILL)
    path += ".autoscaling"
    return Scaling(
        _number(tree, f"{path}.minReplicas"),
        _number(tree, f"{path}.maxReplicas"),
        _rules(tree, f"{path}.scaleOut"),
        _rules(tree, f"{path}.scaleIn"),
        tuple(_triggers(service, tree, path)),
    )


def merged(under: Tree, over: Tree) -> dict[str, object]:
    """Maps are merged key by key, everything else is replaced: as Helm does it."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if _is_tree(below) and _is_tree(value) else value
    return result


def _triggers(service: str, tree: Tree, path: str) -> list[Trigger]:
    depth = _number(tree, f"{path}.depth.mailsPerReplica")
    age = _number(tree, f"{path}.age.seconds")
    triggers: list[Trigger] = []
    for queue in QUEUES_OF[service]:
        triggers.append(Trigger(f"{queue} depth", Kind.AVERAGE_VALUE, depth))
        triggers.append(Trigger(f"{queue} age", Kind.VALUE, age))
    return triggers


def _rules(tree: Tree, path: str) -> ScalingRules:
    percent = _number(tree, f"{path}.percent") if "percent" in _branch(tree, path) else 0
    return ScalingRules(
        _number(tree, f"{path}.stabilizationSeconds"),
        _number(tree, f"{path}.pods"),
        percent,
        _number(tree, f"{path}.periodSeconds"),
    )


def _loaded(file: Path) -> Tree:
    try:
        tree = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as problem:
        raise BadValues(f"{file} cannot be read: {problem}") from None
    if not _is_tree(tree):
        raise BadValues(f"{file} is not a map of values")
    return tree


def _override(text: str) -> Tree:
    path, equals, number = text.partition("=")
    service, dot, rest = path.partition(".")
    if not (equals and dot and service in SERVICES and number.isdigit()):
        raise BadValues(f"{text}: write service.path=number, such as delivery.depth.mailsPerReplica=500")
    value: object = int(number)
    for key in reversed(rest.split(".")):
        value = {key: value}
    return {"services": {service: {"autoscaling": value}}}


def _branch(tree: Tree, path: str) -> Tree:
    value = _at(tree, path)
    return value if _is_tree(value) else {}


def _number(tree: Tree, path: str) -> int:
    value = _at(tree, path)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValues(
            f"{path} must be a whole number, but is {value!r}; name the chart's values.yaml first"
        )
    return value


def _at(tree: Tree, path: str) -> object:
    value: object = tree
    for key in path.split("."):
        value = value.get(key) if _is_tree(value) else None
    return value


def _is_tree(value: object) -> TypeGuard[Tree]:
    return isinstance(value, dict)
