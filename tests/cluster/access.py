"""How this machine reaches the front doors: by the services' addresses, by node ports, or by kubectl's forwarding."""

from typing import Any, Self

from tests.cluster.forwarding import Forwarding
from tests.cluster.objects import Objects
from tests.cluster.programs import Programs
from tests.cluster.surroundings import AccessKind, Surroundings

Address = tuple[str, int]


class NoWay(AssertionError):
    """A front door has no such address; the text says what to set."""


class Access:
    """Addresses by service and port; a context manager, because forwardings end with it."""

    def __init__(self, surroundings: Surroundings, programs: Programs, objects: Objects) -> None:
        self._surroundings = surroundings
        self._programs = programs
        self._objects = objects
        self._forwardings: dict[Address, Forwarding] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for forwarding in self._forwardings.values():
            forwarding.stop()

    def address(self, service: str, port: int) -> Address:
        """Where to connect for a port of a service, now; raises ApiException, NoWay, ProgramFailed."""
        if self._surroundings.access is AccessKind.PORT_FORWARD:
            return self._forwarded(service, port)
        spec = self._objects.core.read_namespaced_service(service, self._objects.namespace).spec
        if self._surroundings.access is AccessKind.NODEPORT:
            number = node_port(service, spec.ports, port)
            return self._surroundings.node or node_address(self._objects.core.list_node().items), number
        return spec.cluster_ip, port

    def _forwarded(self, service: str, port: int) -> Address:
        found = self._forwardings.get((service, port))
        if found is None:
            found = Forwarding(self._programs, self._objects.namespace, service, port)
            self._forwardings[service, port] = found
        found.wait()
        return "127.0.0.1", found.local


def node_port(service: str, ports: list[Any], port: int) -> int:
    """The number on every node that leads to a service's port; raises NoWay."""
    for one in ports:
        if one.port == port and one.node_port:
            return int(one.node_port)
    raise NoWay(
        f"port {port} of {service} has no node port: a file of MAILYARD_CLUSTER_VALUES gives the front doors another type"
    )


def node_address(nodes: list[Any]) -> str:
    """The internal address of the first node that is ready; raises NoWay."""
    for node in nodes:
        ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions or [])
        for address in node.status.addresses or []:
            if ready and address.type == "InternalIP":
                return str(address.address)
    raise NoWay("no ready node has an internal address; name one in MAILYARD_CLUSTER_NODE")
