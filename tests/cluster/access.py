"""How this machine reaches the front doors: by the services' addresses, by node ports, or by kubectl's forwarding."""

import contextlib
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from mailyard.local.processes import free_port
from tests.cluster.objects import Objects
from tests.cluster.programs import Programs
from tests.cluster.surroundings import AccessKind, Surroundings
from tests.trial.waiting import wait_until

Address = tuple[str, int]


@dataclass(slots=True)
class Forwarding:
    """`kubectl port-forward`, begun anew whenever it ends: it dies with the pod that it chose."""

    programs: Programs
    namespace: str
    service: str
    port: int
    local: int = field(default_factory=free_port)
    _ended: threading.Event = field(default_factory=threading.Event)
    _ready: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when it forwards; raises NotReached."""
        threading.Thread(target=self._keep, daemon=True).start()
        wait_until(self._ready.is_set, seconds=60, what=f"kubectl forwards to {self.service}:{self.port}")

    def stop(self) -> None:
        """End it for good."""
        self._ended.set()
        if self._process is not None:
            self._process.terminate()

    def _keep(self) -> None:
        while not self._ended.is_set():
            ports = f"{self.local}:{self.port}"
            self._process = self.programs.start(
                "kubectl", "-n", self.namespace, "port-forward", f"service/{self.service}", ports
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if line.startswith("Forwarding"):
                    self._ready.set()
            self._process.wait()
            time.sleep(0.5)


class Access:
    """Addresses by service and port; a context manager, because forwardings end with it."""

    def __init__(self, surroundings: Surroundings, programs: Programs, objects: Objects) -> None:
        self._surroundings = surroundings
        self._programs = programs
        self._objects = objects
        self._forwardings: dict[tuple[str, int], Forwarding] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for forwarding in self._forwardings.values():
            with contextlib.suppress(OSError):
                forwarding.stop()

    def address(self, service: str, port: int) -> Address:
        """Where to connect for a port of a service; raises ApiException, NotReached."""
        if self._surroundings.access is AccessKind.PORT_FORWARD:
            return "127.0.0.1", self._forwarded(service, port)
        spec = self._objects.core.read_namespaced_service(service, self._objects.namespace).spec
        if self._surroundings.access is AccessKind.NODEPORT:
            return self._node(), next(one.node_port for one in spec.ports if one.port == port)
        return spec.cluster_ip, port

    def _forwarded(self, service: str, port: int) -> int:
        if (service, port) not in self._forwardings:
            forwarding = Forwarding(self._programs, self._objects.namespace, service, port)
            forwarding.start()
            self._forwardings[service, port] = forwarding
        return self._forwardings[service, port].local

    def _node(self) -> str:
        if self._surroundings.node:
            return self._surroundings.node
        addresses = self._objects.core.list_node().items[0].status.addresses
        return str(next(one.address for one in addresses if one.type == "InternalIP"))
