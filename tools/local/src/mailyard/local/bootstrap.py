"""Makes an environment from uv.lock on a machine that has nothing but Python: run by `make` and by the Dockerfiles.

Without arguments it is `.venv` with the whole workspace, to work in; with --package it is what one image needs. Only the standard library is used here. pip is found or fetched, uv comes by pip, and uv installs what uv.lock names,
from the package index that the user's pip settings name.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.pip import Pip, PipFailed, find_pip

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
    """The environment cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which environment, and what is in it: one package and its dependencies, or everything."""

    environment: Path
    package: str | None = None

    def selection(self) -> tuple[str, ...]:
        """The same as options of uv."""
        return ("--no-dev", "--no-editable", "--package", self.package) if self.package else ()


def main() -> int:
    """Works for the repository in the current directory."""
    parser = argparse.ArgumentParser(prog="python -m mailyard.local.bootstrap", description=__doc__)
    parser.add_argument("--environment", type=Path, default=Path(".venv"), help="folder to make (.venv)")
    parser.add_argument(
        "--package", help="only this package of the workspace, ready to run without the repository"
    )
    arguments = parser.parse_args()
    try:
        bootstrap(Path.cwd(), Plan(arguments.environment.absolute(), arguments.package))
    except (BootstrapFailed, PipFailed) as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    return 0


def bootstrap(repository: Path, plan: Plan) -> None:
    """The environment, pip, uv, the locked packages: in this order."""
    _step(f"virtual environment in {plan.environment}")
    if not (plan.environment / "bin/python").exists():
        command = (sys.executable, "-m", "venv", "--without-pip", str(plan.environment))
        _run(command, os.environ, repository)
    pip = find_pip(repository / "var")
    uv = _uv(repository / "var/uv", pip)
    _step("packages of uv.lock")
    env = {**uv_settings(pip.settings(), os.environ), "UV_PROJECT_ENVIRONMENT": str(plan.environment)}
    env.pop("VIRTUAL_ENV", None)
    _sync(repository, uv, plan, env)


def _uv(folder: Path, pip: Pip) -> Path:
    """Pinned, in `var/uv`, beside the environment: a sync removes from that what the lock does not name."""
    stamp = folder / UV
    if not stamp.exists():
        _step(UV)
        pip.install(UV, folder)
        stamp.touch()
    return folder / "bin/uv"


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


def _sync(repository: Path, uv: Path, plan: Plan, env: Mapping[str, str]) -> None:
    """The lock names every file by its address, so another index than the lock's gets a list of versions and hashes."""
    index = env.get("UV_DEFAULT_INDEX")
    if index is None or f'registry = "{index.rstrip("/")}"' in (repository / "uv.lock").read_text():
        _run((str(uv), "sync", "--frozen", *plan.selection()), env, repository)
        return
    listed = str(repository / "var/requirements.txt")
    export = (str(uv), "export", "--frozen", "--quiet", *plan.selection(), "--output-file", listed)
    _run(export, env, repository)
    _run((str(uv), "pip", "sync", "--python", str(plan.environment), listed), env, repository)


def _run(command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
    if subprocess.run(command, env=env, cwd=folder, check=False).returncode != 0:
        raise BootstrapFailed(f"{shlex.join(command)} failed; what it says is above.")


def _step(what: str) -> None:
    print(f"==> {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
