"""Front doors: Services with a reachable address that keep the clients' addresses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mailyard.cli.installcheck.finding import Finding, error, ok, unknown, warning

_FEW = 10


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """A Service for clients; `proxied`: the pods accept PROXY headers from some network."""

    name: str
    kind: str
    traffic_policy: str
    addresses: tuple[str, ...]
    proxied: bool


@dataclass(frozen=True, slots=True)
class Balancers:
    """Services of type LoadBalancer of the whole cluster: how many have an address, how many wait for one."""

    served: int
    waiting: int


def check_balancers(facts: Balancers) -> list[Finding]:
    """Check before an installation whether other Services have an address."""
    if facts.served:
        return [ok(f"Services of type LoadBalancer get addresses: {facts.served} have one")]
    if facts.waiting:
        advice = (
            "Install a load balancer (cloud controller, MetalLB), or choose frontDoors.smtpIn.type NodePort."
        )
        return [
            error(f"no Service of type LoadBalancer has an address; {facts.waiting} wait for one", advice)
        ]
    advice = (
        "Ask the cluster's operator whether Services of type LoadBalancer get addresses; NodePort needs none."
    )
    return [unknown("the cluster has no Service of type LoadBalancer", advice)]


def check_front_doors(doors: Sequence[FrontDoor]) -> list[Finding]:
    """Check after an installation that each Service has an address and keeps the clients' addresses."""
    if not doors:
        return [error("no Services of smtp-in and imap exist", "Check --release and --namespace.")]
    return [finding for door in doors for finding in _door(door)]


def _door(door: FrontDoor) -> Iterator[Finding]:
    yield _address(door)
    if door.kind == "ClusterIP":
        return
    if door.proxied:
        yield ok(f"{door.name} gets clients' addresses from PROXY headers")
    elif door.traffic_policy == "Local":
        yield ok(f"{door.name} keeps clients' addresses (externalTrafficPolicy Local)")
    else:
        yield warning(
            f"{door.name} may show nodes' addresses instead of clients'",
            "Set externalTrafficPolicy to Local, or frontDoors.proxyProtocol: limits use the client's address.",
        )


def _address(door: FrontDoor) -> Finding:
    if door.kind == "ClusterIP":
        advice = "Set the front door's type to LoadBalancer or NodePort, or put a gateway before it."
        return warning(f"{door.name} is only reachable inside the cluster", advice)
    if door.kind == "NodePort":
        return ok(f"{door.name} is reachable on ports of the nodes")
    if door.addresses:
        return ok(f"{door.name} has the address {', '.join(door.addresses)}")
    return error(f"{door.name} has no address yet", f"kubectl describe service {door.name}")


@dataclass(frozen=True, slots=True)
class Callers:
    """Recent client addresses of smtp-in, and the addresses of nodes (None: unknown here)."""

    seen: frozenset[str]
    nodes: frozenset[str] | None


def check_callers(facts: Callers) -> list[Finding]:
    """Check after an installation which client addresses smtp-in saw."""
    seen = {ip_address(text) for text in facts.seen}
    if not seen:
        advice = "Send a mail from outside the cluster to an account here, and run this again."
        return [unknown("smtp-in has seen no mail from other servers yet", advice)]
    if facts.nodes is None:
        text = f"smtp-in saw clients at {', '.join(sorted(facts.seen)[:_FEW])}"
        return [unknown(text, "None of them may be a node's: compare with kubectl get nodes -o wide.")]
    hidden = seen & {ip_address(text) for text in facts.nodes}
    if not hidden:
        return [ok(f"smtp-in saw {len(seen)} address(es) of clients, none of them a node's")]
    text = f"smtp-in saw nodes' addresses as clients: {', '.join(sorted(map(str, hidden)))}"
    advice = "Set externalTrafficPolicy to Local, or let the load balancer send PROXY headers (frontDoors.proxyProtocol)."
    return [error(text, advice) if hidden == seen else warning(text, advice)]
