"""The loopback ports of local mode, and the processes that use them already."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import psutil

from mailyard.runtime.services import SERVICES

HOST = "127.0.0.1"
LISTENERS: Mapping[str, int] = MappingProxyType(
    {port.name: port.number for service in SERVICES for port in service.ports}
)
HEALTH: Mapping[str, int] = MappingProxyType({service.name: service.http_port for service in SERVICES})
BACK_END: Mapping[str, int] = MappingProxyType(
    {"sink": 2526, "amqp": 2672, "amqp-distribution": 2673, "epmd": 2674, "mongo": 2717}
)


class PortsTaken(Exception):
    """Ports are in use already; the text names them and the processes."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports, moved by `base`."""

    base: int = 0

    def listener(self, name: str) -> int:
        """Where mail clients and servers connect."""
        return LISTENERS[name] + self.base

    def address(self, name: str) -> str:
        """The same, as the services' settings want it."""
        return f"{HOST}:{self.listener(name)}"

    def health(self, service: str) -> int:
        """Where /livez, /readyz and /metrics of a service are."""
        return HEALTH[service] + self.base

    def back_end(self, name: str) -> int:
        """Where the sink, the broker and the store listen."""
        return BACK_END[name] + self.base

    def all(self) -> Iterator[tuple[str, int]]:
        """Return every port with its purpose."""
        for name, port in (*LISTENERS.items(), *BACK_END.items()):
            yield name, port + self.base
        for service, port in HEALTH.items():
            yield f"health of {service}", port + self.base


def require_free(ports: Ports) -> None:
    """Raises PortsTaken: better one clear line now than a service that dies later."""
    taken = [(name, port) for name, port in ports.all() if not _is_free(port)]
    if taken:
        lines = [f"  port {port} ({name}) is in use by {_holder(port)}" for name, port in taken]
        advice = "Stop what holds them, or move all ports: MAILYARD_PORT_BASE=10000 make run"
        raise PortsTaken("\n".join(["Mailyard cannot listen:", *lines, advice]))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Only root sees the processes of other users."""
    try:
        listeners = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        owner = next((one.pid for one in listeners if one.laddr and one.laddr.port == port and one.pid), None)
        if owner is not None:
            process = psutil.Process(owner)
            return f"process {owner} ({process.name()} of user {process.username()})"
    except psutil.Error:
        pass
    return "a process of another user"
