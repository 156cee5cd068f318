"""A pip that runs, on any machine: Python's own, the wheel that came with Python, or Debian's package of that wheel.

Only the standard library is used here: this runs before there is a virtual environment.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.debian import PackagesUnavailable, package_tree

_ADVICE = "Install it (Debian and Ubuntu: apt-get install python3-venv), then try again."
_SECTIONS = ("global.", "install.", ":env:.")


class PipFailed(Exception):
    """There is no pip, or its command failed; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Pip:
    """The command and its environment; it reads the user's own pip settings."""

    env: Mapping[str, str]

    def install(self, requirement: str, folder: Path) -> None:
        """Installs one package, without its dependencies, in a folder of its own."""
        options = (
            "--quiet",
            "--upgrade",
            "--no-deps",
            "--disable-pip-version-check",
            "--target",
            str(folder),
        )
        self._run(("install", *options, requirement))

    def settings(self) -> dict[str, str]:
        """Return the output of `pip config list`, lines like global.index-url='...'; variables are above files."""
        listing = [line.partition("=") for line in self._run(("config", "list")).splitlines()]
        return {
            key.removeprefix(section): "".join(shlex.split(value))
            for section in _SECTIONS
            for key, _, value in listing
            if key.startswith(section)
        }

    def _run(self, arguments: Sequence[str]) -> str:
        command = (sys.executable, "-m", "pip", *arguments)
        done = subprocess.run(command, env=self.env, check=False, text=True, capture_output=True)
        if done.returncode != 0:
            raise PipFailed(f"pip {shlex.join(arguments)}:\n{done.stderr.strip()}")
        return done.stdout


def find_pip(var: Path) -> Pip:
    """The first that is there; Debian's wheel is unpacked below `var`."""
    if importlib.util.find_spec("pip"):
        return Pip(os.environ)
    wheel = _bundled_wheel() or _debian_wheel(var)
    return Pip({**os.environ, "PYTHONPATH": str(wheel)})


def _bundled_wheel() -> Path | None:
    """Python carries pip inside ensurepip; distributions may keep the wheel in a folder that sysconfig names."""
    ensurepip = importlib.util.find_spec("ensurepip")
    folders = [Path(ensurepip.origin).parent / "_bundled"] if ensurepip and ensurepip.origin else []
    if named := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(named))
    return next((wheel for folder in folders for wheel in folder.glob("pip-*.whl")), None)


def _debian_wheel(var: Path) -> Path:
    tree = package_tree(var)
    wheels = tree.root / "usr/share/python-wheels"
    try:
        if not any(wheels.glob("pip-*.whl")):
            print("==> pip, from this machine's package sources", flush=True)
            tree.install(["python3-pip-whl"])
        return next(wheels.glob("pip-*.whl"))
    except (PackagesUnavailable, StopIteration, OSError, subprocess.TimeoutExpired) as error:
        raise PipFailed(f"This Python has no pip, and none could be fetched.\n{error}\n{_ADVICE}") from error
