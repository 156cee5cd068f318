"""Nodes: supported processors, and capacity for the pods."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.cli.installcheck.finding import Finding, error, ok, warning

ARCHITECTURES = frozenset({"amd64", "arm64"})
MEBI = 2**20


@dataclass(frozen=True, slots=True)
class Node:
    """A node that accepts pods; `free` is its allocatable capacity minus the present requests."""

    name: str
    architecture: str
    free_cpu: float
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of all pods together."""

    cpu: float
    octets: int


def check_nodes(nodes: Sequence[Node], requests: Requests) -> list[Finding]:
    """Check processors and free capacity; pods of the release that run already count as used."""
    usable = [node for node in nodes if node.architecture in ARCHITECTURES]
    if not usable:
        return [error("no ready node accepts pods with an amd64 or arm64 image", "kubectl get nodes -o wide")]
    others = sorted({node.architecture for node in nodes} - ARCHITECTURES)
    findings = [_room(usable, requests)]
    if others:
        advice = "Set the nodeSelector kubernetes.io/arch: images exist for amd64 and arm64."
        findings.append(warning(f"some nodes have other processors: {', '.join(others)}", advice))
    if len(usable) == 1:
        advice = "A restart of the node stops all mail: use three nodes in production."
        findings.append(warning("the cluster has only one node", advice))
    return findings


def _room(nodes: Sequence[Node], requests: Requests) -> Finding:
    cpu, octets = sum(node.free_cpu for node in nodes), sum(node.free_bytes for node in nodes)
    free = f"{cpu:.1f} CPU and {octets // MEBI} MiB are free on {len(nodes)} node(s)"
    if cpu >= requests.cpu and octets >= requests.octets:
        return ok(free)
    wanted = f"{requests.cpu:.1f} CPU and {requests.octets // MEBI} MiB"
    return error(
        f"{free}; the pods request {wanted}",
        "Add a node, or lower resources.requests and minReplicas; set other values with --requests-cpu and --requests-mib.",
    )
