"""Pod Security admission: Mailyard's pods meet the restricted standard, so the namespace may enforce it."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, ok, warning


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """`enforces`: the level that is enforced, empty: none is named."""

    name: str
    exists: bool
    enforces: str = ""


def check_pod_security(facts: NamespaceFacts) -> list[Finding]:
    """Restricted is recommended, everything else works."""
    if not facts.exists:
        return [ok(f"the namespace {facts.name} does not exist yet; helm creates it with --create-namespace")]
    if facts.enforces == "restricted":
        return [ok(f"the namespace {facts.name} enforces the restricted standard")]
    return [
        warning(
            f"the namespace {facts.name} enforces {facts.enforces or 'no Pod Security standard'}",
            f"kubectl label namespace {facts.name} pod-security.kubernetes.io/enforce=restricted",
        )
    ]
