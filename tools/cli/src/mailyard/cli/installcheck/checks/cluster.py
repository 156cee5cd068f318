"""The cluster: its version, and the operators that are installed."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning

OLDEST = (1, 30)
NEWEST = (1, 37)
OLDEST_KEDA = (2, 20)  # reads queue depth and age from the router's metrics
_KEDA = "keda.sh"
_CAPABILITIES = {
    "metrics.k8s.io": (
        "metrics API",
        "Autoscaling on CPU needs it: install metrics-server.",
    ),
    _KEDA: (
        "KEDA",
        "Without it the services scale on CPU only: install KEDA 2.20 or newer for queue depth and age.",
    ),
    "monitoring.coreos.com": (
        "prometheus-operator",
        "Leave monitoring.podMonitor and monitoring.rules off, or install it.",
    ),
    "cert-manager.io": (
        "cert-manager",
        "Give a certificate in tls.existingSecret, or install cert-manager.",
    ),
    "gateway.networking.k8s.io": (
        "Gateway API",
        "Only frontDoors.gateway needs it; Services of type LoadBalancer do without.",
    ),
}

_UPGRADE_KEDA = (
    "It cannot read queue depth and age: install KEDA 2.20 or newer, or set autoscaling.mode to hpa."
)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Version and APIs of the cluster; `keda`: the version label of its operator, if it is installed."""

    major: int
    minor: int
    groups: frozenset[str]
    keda: tuple[int, int] | None = None


def check_cluster(facts: ClusterFacts) -> list[Finding]:
    """Check the version, then each capability."""
    return [_version(facts), *_capabilities(facts)]


def _version(facts: ClusterFacts) -> Finding:
    version = (facts.major, facts.minor)
    text = f"Kubernetes {facts.major}.{facts.minor}"
    if version < OLDEST:
        return error(f"{text} is too old", f"Upgrade the cluster to {OLDEST[0]}.{OLDEST[1]} or newer.")
    if version > NEWEST:
        return warning(f"{text} is newer than the tested versions", f"Tested up to {NEWEST[0]}.{NEWEST[1]}.")
    return ok(text)


def _capabilities(facts: ClusterFacts) -> Iterator[Finding]:
    for group, (name, advice) in _CAPABILITIES.items():
        if group == _KEDA and facts.keda is not None and facts.keda < OLDEST_KEDA:
            yield warning(f"KEDA {facts.keda[0]}.{facts.keda[1]} is too old", _UPGRADE_KEDA)
        elif group in facts.groups:
            yield ok(f"{name} is installed")
        else:
            yield warning(f"{name} is not installed", advice)
