"""Storage: only RabbitMQ and MongoDB inside the cluster need volumes."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, ok, warning


@dataclass(frozen=True, slots=True)
class StorageClass:
    """One class of volumes."""

    name: str
    default: bool
    provisioner: str
    expandable: bool


def check_storage(classes: Sequence[StorageClass]) -> list[Finding]:
    """Check for one default class with volumes that can grow."""
    defaults = [each for each in classes if each.default]
    if not defaults:
        names = ", ".join(each.name for each in classes) or "none"
        return [
            warning(
                f"no storage class is the default; existing classes: {names}",
                "Set a class in the values of the in-chart databases, or use databases outside the cluster.",
            )
        ]
    if len(defaults) > 1:
        names = ", ".join(each.name for each in defaults)
        return [
            warning(
                f"several storage classes are the default: {names}",
                "Keep the default annotation on one of them.",
            )
        ]
    return [_default(defaults[0])]


def _default(found: StorageClass) -> Finding:
    text = f"default storage class {found.name} ({found.provisioner})"
    if found.expandable:
        return ok(f"{text}, volumes can grow")
    return warning(
        f"{text}, volumes cannot grow", "Choose volumes large enough, or a class with allowVolumeExpansion."
    )
