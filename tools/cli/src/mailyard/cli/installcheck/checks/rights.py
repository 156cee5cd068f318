"""Rights to create the objects of `helm install`."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok


@dataclass(frozen=True, slots=True)
class Right:
    """Whether the user of the kubeconfig may create a resource in the namespace."""

    group: str
    resource: str
    allowed: bool

    @property
    def name(self) -> str:
        """The notation of kubectl."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def check_rights(rights: Sequence[Right], namespace: str) -> list[Finding]:
    """Check all rights, and name the missing ones."""
    missing = [right.name for right in rights if not right.allowed]
    if not missing:
        return [ok(f"all objects of the chart may be created in {namespace}")]
    return [
        error(
            f"not allowed in {namespace}: create {', '.join(missing)}",
            f"Install as a user with these rights: kubectl auth can-i create {missing[0]} -n {namespace}",
        )
    ]
