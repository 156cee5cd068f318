"""Makes `.venv` with the whole workspace from uv.lock, on a machine that has nothing but Python: run by `make`.

Only the standard library is used here. pip is found or fetched, uv comes by pip, and uv installs what uv.lock names,
from the package index that the user's pip settings name. `mailyard.local.image` fills images by the same means.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.pip import PipFailed, find_pip

UV = "uv==0.13.9"
_PIP_TO_UV = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}


class BootstrapFailed(Exception):
    """The environment cannot be made; the text gives the remedy."""


@dataclass(frozen=True, slots=True)
class Uv:
    """The pinned uv with the settings of the user's pip, at work in one repository."""

    program: Path
    settings: Mapping[str, str]
    repository: Path

    def run(self, *arguments: str) -> None:
        """Run one command of it; raises BootstrapFailed."""
        run((str(self.program), *arguments), self.settings, self.repository)


def main() -> int:
    """Works for the repository in the current directory."""
    parser = argparse.ArgumentParser(prog="python -m mailyard.local.bootstrap", description=__doc__)
    parser.add_argument("--environment", type=Path, default=Path(".venv"), help="folder to make (.venv)")
    try:
        bootstrap(Path.cwd(), parser.parse_args().environment.absolute())
    except (BootstrapFailed, PipFailed) as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    return 0


def bootstrap(repository: Path, environment: Path) -> None:
    """The environment, pip, uv, the locked packages: in this order."""
    make_environment(environment)
    uv = find_uv(repository, environment)
    step("packages of uv.lock")
    _sync(uv, environment)


def make_environment(folder: Path) -> None:
    """A virtual environment of the Python that runs this, without pip."""
    step(f"virtual environment in {folder}")
    if not (folder / "bin/python").exists():
        command = (sys.executable, "-m", "venv", "--without-pip", str(folder))
        run(command, os.environ, Path.cwd())


def find_uv(repository: Path, environment: Path) -> Uv:
    """Install uv, pinned, in `var/uv`: a sync would remove it from the environment, because the lock does not name it."""
    pip = find_pip(repository / "var")
    folder = repository / "var/uv"
    stamp = folder / UV
    if not stamp.exists():
        step(UV)
        pip.install(UV, folder)
        stamp.touch()
    env = {**uv_settings(pip.settings(), os.environ), "UV_PROJECT_ENVIRONMENT": str(environment)}
    env.pop("VIRTUAL_ENV", None)
    return Uv(folder / "bin/uv", env, repository)


def uv_settings(pip_settings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip as uv's variables, below what the user gave to uv itself: uv reads no pip.conf."""
    pairs = [
        (_PIP_TO_UV[key], _uv_value(key, value)) for key, value in pip_settings.items() if key in _PIP_TO_UV
    ]
    defaults = {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true"}
    return {**defaults, **{name: value for name, value in pairs if value}, **given}


def _uv_value(key: str, value: str) -> str:
    """As for pip, which separates by white space and skips missing folders; uv wants commas between links."""
    if key == "find-links":
        return ",".join(word for word in value.split() if "://" in word or Path(word).exists())
    return " ".join(value.split())


def _sync(uv: Uv, environment: Path) -> None:
    """The lock names every file by its address, so another index than the lock's gets a list of versions and hashes."""
    index = uv.settings.get("UV_DEFAULT_INDEX")
    lock = uv.repository / "uv.lock"
    if index is None or f'registry = "{index.rstrip("/")}"' in lock.read_text():
        uv.run("sync", "--frozen")
        return
    listed = str(uv.repository / "var/requirements.txt")
    uv.run("export", "--frozen", "--quiet", "--output-file", listed)
    uv.run("pip", "sync", "--python", str(environment), listed)


def run(command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
    """Run a command to its end; raises BootstrapFailed."""
    if subprocess.run(command, env=env, cwd=folder, check=False).returncode != 0:
        raise BootstrapFailed(f"{shlex.join(command)} failed; what it says is above.")


def step(what: str) -> None:
    """Print the next step."""
    print(f"==> {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
