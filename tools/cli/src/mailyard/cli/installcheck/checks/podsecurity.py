"""Pod Security admission: Mailyard's pods meet the restricted standard, so the namespace may enforce it."""

from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, ok, warning


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """The namespace; `enforces`: its enforced level, empty: none."""

    name: str
    exists: bool
    enforces: str = ""


def check_pod_security(facts: NamespaceFacts) -> list[Finding]:
    """Recommend the restricted standard."""
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
