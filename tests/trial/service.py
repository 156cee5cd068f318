"""Run one service alone, without the supervisor, to test it against databases that fail."""

import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from mailyard.local.processes import free_port

STOP_SECONDS = 40


def own_settings(name: str) -> dict[str, str]:
    """Loopback listeners on free ports for the services that have listeners."""
    listeners = {
        "smtp-in": {"MAILYARD_SMTP_IN_MX_LISTEN": f"127.0.0.1:{free_port()}"},
        "imap": {
            "MAILYARD_IMAP_LISTEN": f"127.0.0.1:{free_port()}",
            "MAILYARD_IMAP_TLS_LISTEN": "",
            "MAILYARD_IMAP_PLAINTEXT_AUTH": "loopback",
        },
        "relay": {"MAILYARD_RELAY_NEXT_HOP": "smtp://127.0.0.1:9"},
    }
    return listeners.get(name, {})


@dataclass(slots=True)
class LoneService:
    """A context manager; the process is ended on the way out whatever happened."""

    name: str
    environment: Mapping[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAILYARD_")}
        own = {
            "MAILYARD_HTTP_PORT": str(self.port),
            "MAILYARD_DRAIN_SECONDS": "10",
            **own_settings(self.name),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                (str(Path(sys.executable).with_name(f"mailyard-{self.name}")),),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**inherited, **own, **self.environment},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ended(self, seconds: float) -> int:
        """Exit code; raises TimeoutExpired when it still runs."""
        assert self.process is not None
        return self.process.wait(seconds)

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a health page; 0 when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def output(self) -> str:
        """All that it has printed."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"
