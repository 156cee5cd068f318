"""Services: each has its pods, and they are ready."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning
from mailyard.runtime.services import NAMES


@dataclass(frozen=True, slots=True)
class Deployment:
    """Desired and ready pods of a component."""

    component: str
    wanted: int
    ready: int


def check_services(deployments: Sequence[Deployment]) -> list[Finding]:
    """Check all services, toolbox and sink."""
    found = {each.component: each for each in deployments}
    missing = [name for name in NAMES if name not in found]
    findings = [_deployment(each) for each in deployments]
    if missing:
        advice = "Check --release and --namespace, and helm status."
        findings.append(error(f"no deployment exists for {', '.join(missing)}", advice))
    return findings


def _deployment(found: Deployment) -> Finding:
    text = f"{found.component}: {found.ready} of {found.wanted} pods are ready"
    advice = f"kubectl describe pods -l app.kubernetes.io/component={found.component}"
    if found.ready < min(found.wanted, 1):
        return error(text, advice)
    return warning(text, advice) if found.ready < found.wanted else ok(text)
