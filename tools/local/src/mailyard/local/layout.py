"""The files and folders of local mode: one folder, by default var/local."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one local Mailyard."""

    root: Path

    @property
    def lock(self) -> Path:
        """The lock of the running supervisor; it contains its process id."""
        return self.root / "lock"

    @property
    def access(self) -> Path:
        """Listeners and accounts, for people and for tests."""
        return self.root / "access.json"

    @property
    def environment(self) -> Path:
        """Variables that let the `mailyard` command reach the local store and broker."""
        return self.root / "env"

    @property
    def processes(self) -> Path:
        """The running processes: name, process id, starts, readiness."""
        return self.root / "processes.json"

    @property
    def tls(self) -> Path:
        """The authority and the server's certificate."""
        return self.root / "tls"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def sink(self) -> Path:
        """Mail to other hosts, as the sink stored it."""
        return self.root / "sink"

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def begin_logs(self) -> None:
        """Begin new logs; those of the start before are moved to another folder."""
        shutil.rmtree(self.logs / "before", ignore_errors=True)
        (self.logs / "before").mkdir(parents=True)
        for log in self.logs.glob("*.log"):
            log.rename(self.logs / "before" / log.name)


def write_private(path: Path, text: str) -> None:
    """Replaces a file at once; only its owner may read it."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def write_json(path: Path, value: Any) -> None:
    """As write_private, as JSON."""
    write_private(path, json.dumps(value, indent=2) + "\n")
