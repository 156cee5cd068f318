"""A separate Mailyard: local mode in its own directory and on its own ports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailyard.local.layout import Layout
from mailyard.local.ports import HEALTH, Ports, PortsTaken, require_free
from mailyard.local.processes import tail
from mailyard.local.readiness import readyz
from tests.trial.waiting import NotReached, wait_until

START_SECONDS = 240
STOP_SECONDS = 90
REPOSITORY = Path(__file__).parents[2]


FIRST_BASE = 12_000
BASES_OF_A_WORKER = 2_700
LAST_BASE = 23_000  # the highest port of an instance ends below those that the kernel gives to clients


def free_port_base(worker: str = os.environ.get("PYTEST_XDIST_WORKER", "gw0")) -> int:
    """A base where no port of an instance is taken now; parallel workers of pytest look in ranges of their own."""
    first = FIRST_BASE + int(worker.removeprefix("gw")) * BASES_OF_A_WORKER
    for base in range(first, min(first + BASES_OF_A_WORKER, LAST_BASE), 300):
        with contextlib.suppress(PortsTaken):
            require_free(Ports(base))
            return base
    raise InstanceFailed(f"no free range of ports from {first} on for worker {worker}: use fewer workers")


class InstanceFailed(Exception):
    """Local mode did not start; the text holds the end of its output."""


@dataclass(slots=True)
class Instance:
    """One supervisor with all its processes; use as a context manager."""

    directory: Path
    port_base: int
    environment: Mapping[str, str] = field(default_factory=dict)
    _supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ports(self) -> Ports:
        """Where everything listens."""
        return Ports(self.port_base)

    @property
    def layout(self) -> Layout:
        """Where everything lies."""
        return Layout(self.directory)

    @property
    def output(self) -> Path:
        """What the supervisor prints."""
        return self.directory.with_name(f"{self.directory.name}.output")

    @property
    def mongo_url(self) -> str:
        """The store itself, past any proxy."""
        return f"mongodb://127.0.0.1:{self.ports.back_end('mongo')}/?directConnection=true"

    @property
    def supervisor_pid(self) -> int:
        """Parent of all processes of the instance."""
        if self._supervisor is None:
            raise InstanceFailed("the instance has not been started")
        return self._supervisor.pid

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the supervisor and return at once, for tests of starts that are meant to fail."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        own = {"MAILYARD_LOCAL_DIR": str(self.directory), "MAILYARD_PORT_BASE": str(self.port_base)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILYARD_")}
        with self.output.open("wb") as output:
            self._supervisor = subprocess.Popen(
                (sys.executable, "-m", "mailyard.local", "run", "--no-demo-mail"),
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **own, **self.environment},
                start_new_session=True,
            )
        return self._supervisor

    def start(self) -> None:
        """Start and wait until every service is ready; raises InstanceFailed."""
        supervisor = self.launch()
        try:
            wait_until(
                lambda: supervisor.poll() is not None or self.ready(),
                seconds=START_SECONDS,
                what="all services ready",
            )
        except NotReached as error:
            self.stop()
            raise InstanceFailed(f"{error}\n{tail(self.output)}") from error
        if supervisor.poll() is not None:
            raise InstanceFailed(f"local mode ended with {supervisor.returncode}\n{tail(self.output, 40)}")

    def stop(self) -> bool:
        """SIGTERM, and SIGKILL when that takes too long; whether it ended by itself."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return True
        supervisor.terminate()
        try:
            supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
            return False
        return True

    def ready(self) -> bool:
        """Whether this start has come so far that accounts are known and every service says that it is ready."""
        return (
            self.layout.access.exists()
            and self._book().get("supervisor") == self.supervisor_pid
            and all(readyz(self.ports.health(service)) is None for service in HEALTH)
        )

    def http(self, service: str, path: str) -> str:
        """Body of a service's health or metrics page; raises OSError."""
        url = f"http://127.0.0.1:{self.ports.health(service)}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            body: bytes = answer.read()
        return body.decode()

    def pids(self) -> dict[str, int]:
        """Process ids by name: services, mongod, rabbitmq."""
        return {name: part["pid"] for name, part in self._book().get("parts", {}).items()}

    def starts(self) -> dict[str, int]:
        """How often each living process has been started."""
        return {name: part["starts"] for name, part in self._book().get("parts", {}).items()}

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal one process; one that is just being restarted is left alone."""
        pid = self.pids().get(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _book(self) -> dict[str, Any]:
        try:
            book: dict[str, Any] = json.loads(self.layout.processes.read_text())
        except FileNotFoundError:
            return {}
        return book

    def log(self, name: str) -> str:
        """All that a process has logged so far."""
        return self.layout.log(name).read_text(errors="replace")
