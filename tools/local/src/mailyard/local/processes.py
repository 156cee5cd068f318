"""Child processes that never outlive this one: each has a log file and a process group of its own.

A child gets SIGTERM when its parent has ended, even when the parent was killed (prctl(2),
PR_SET_PDEATHSIG). Start children from the main thread: the kernel watches the thread, not the process.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOG_TAIL_BYTES = 4096
MOST_FILES = 65_536


class StartFailed(Exception):
    """A server did not start; the text contains the end of its log and the remedy."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command with its name, added environment variables and log file."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)


def start(program: Program) -> subprocess.Popen[bytes]:
    """Starts the program in a session of its own, so that Ctrl-C reaches only the supervisor."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            (*_with_many_files(), *_die_with_parent(), *program.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.env},
            start_new_session=True,
        )


def most_files() -> int:
    """Return how many files a child may have open: the system's limit, within bounds."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def _with_many_files() -> tuple[str, ...]:
    """RabbitMQ takes no connection when its queues' files fill the usual limit of 1,024, and clients are files too."""
    most = most_files()
    return ("prlimit", f"--nofile={most}:{most}", "--") if shutil.which("prlimit") else ()


def _die_with_parent() -> tuple[str, ...]:
    """setpriv(1) replaces itself by the program, so the process id stays that of the program."""
    return ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> bool:
    """SIGTERM, then SIGKILL to the whole group after the grace time; False when it had to be killed."""
    process.terminate()
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()
        return False
    return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()


def wait_ready(
    program: Program,
    process: subprocess.Popen[bytes],
    not_ready_reason: Callable[[], str | None],
    seconds: float,
) -> None:
    """Waits until `not_ready_reason` returns None; StartFailed when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while (reason := not_ready_reason()) is not None:
        if process.poll() is not None:
            raise StartFailed(f"{program.name} ended with status {process.returncode}.\n{tail(program.log)}")
        if time.monotonic() > deadline:
            raise StartFailed(
                f"{program.name} is not ready after {seconds:.0f} s: {reason}.\n{tail(program.log)}"
            )
        time.sleep(0.05)


def tail(log: Path, lines: int = 12) -> str:
    """Return the end of a log, indented, with its path."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return f"  (no log at {log})"
    shown = "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])
    return f"The end of {log}:\n{shown}"


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
