"""`kubectl port-forward` to a service, started again whenever it ends, because it ends with the pod that it chose."""

import subprocess
import threading
from dataclasses import dataclass, field

from mailyard.local.processes import free_port
from tests.cluster.programs import ProgramFailed, Programs

READY_SECONDS = 60.0
END_SECONDS = 10.0
PAUSE_SECONDS = 0.5


@dataclass(slots=True)
class Forwarding:
    """A port of this machine that leads to a port of a service; it stays the same over all new beginnings."""

    programs: Programs
    namespace: str
    service: str
    port: int
    local: int = field(default_factory=free_port)
    _ended: threading.Event = field(default_factory=threading.Event)
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _process: subprocess.Popen[str] | None = None
    _words: str = "nothing"

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Return when it forwards, which is begun by the first call; raises ProgramFailed with kubectl's words."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, daemon=True)
            self._thread.start()
        if not self._ready.wait(seconds):
            raise ProgramFailed(
                f"kubectl did not forward to {self.service}:{self.port} in {seconds:.0f} s; it said {self._words}"
            )

    def stop(self) -> None:
        """End it for good; no kubectl is left."""
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                self._process = self._begun()
            except ProgramFailed as error:
                self._words = str(error)
                return
            if self._ended.is_set():  # by a stop that did not see this process yet
                self._process.terminate()
            self._hear(self._process)
            self._ready.clear()
            self._ended.wait(PAUSE_SECONDS)

    def _begun(self) -> subprocess.Popen[str]:
        return self.programs.start(
            "kubectl", "--namespace", self.namespace, "port-forward", "--address=127.0.0.1",
            f"service/{self.service}", f"{self.local}:{self.port}",
        )  # fmt: skip

    def _hear(self, process: subprocess.Popen[str]) -> None:
        """Until it ends."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._words = line.strip() or self._words
                if line.startswith("Forwarding from"):
                    self._ready.set()
        process.wait()
