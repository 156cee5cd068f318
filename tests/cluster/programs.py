"""helm, kubectl and git as subprocesses, with the cluster's kubeconfig."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.surroundings import Surroundings

LINES_SHOWN = 15


class ProgramFailed(AssertionError):
    """The text holds the command and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs what is found in the given folder, then in PATH, then in the virtual environment."""

    surroundings: Surroundings

    @property
    def environment(self) -> dict[str, str]:
        """For subprocesses: PATH and KUBECONFIG."""
        own = [str(self.surroundings.programs)] if self.surroundings.programs else []
        folders = [*own, os.environ.get("PATH", ""), str(Path(sys.executable).parent)]
        return {
            **os.environ,
            "PATH": os.pathsep.join(folders),
            "KUBECONFIG": str(self.surroundings.kubeconfig),
        }

    def has(self, program: str) -> bool:
        """Whether it is found."""
        return shutil.which(program, path=self.environment["PATH"]) is not None

    def run(self, *command: str, seconds: float = 120, text: str | None = None) -> str:
        """Standard output; `text` goes to standard input. Raises ProgramFailed."""
        try:
            done = subprocess.run(
                self._found(command),
                input=text,
                capture_output=True,
                text=True,
                timeout=seconds,
                env=self.environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{' '.join(command[:3])} did not end within {seconds:.0f} s") from None
        if done.returncode != 0:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-LINES_SHOWN:])
            raise ProgramFailed(f"{' '.join(command[:4])} ended with {done.returncode}: {said}")
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A program that goes on, with its output in a pipe."""
        return subprocess.Popen(
            self._found(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )

    def _found(self, command: tuple[str, ...]) -> list[str]:
        program = shutil.which(command[0], path=self.environment["PATH"])
        if program is None:
            raise ProgramFailed(f"there is no {command[0]}; name its folder in MAILYARD_CLUSTER_BIN")
        return [program, *command[1:]]
