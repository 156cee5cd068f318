"""At most one supervisor in a folder, and nothing left of one that was killed."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mailyard.local.layout import Layout

_ENDING_SECONDS = 20.0


class AlreadyRunning(Exception):
    """Another supervisor runs in this folder; the text says which."""


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the folder's lock; raises AlreadyRunning. The kernel releases the lock when the process ends."""
    layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_advice(layout)) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        end_leftovers(layout.processes)
        yield


def _advice(layout: Layout) -> str:
    return (
        f"Mailyard runs here already: process {layout.lock.read_text()}, accounts in {layout.access}.\n"
        f"Stop it with Ctrl-C in its terminal. For a second one beside it:\n"
        f"  MAILYARD_PORT_BASE=10000 MAILYARD_LOCAL_DIR=var/second make run"
    )


def end_leftovers(book: Path, wait_seconds: float = _ENDING_SECONDS) -> None:
    """Wait for the parts of a killed supervisor, which got SIGTERM when it died; kill those that take too long."""
    left = list(_leftovers(book))
    if left:
        print(f"==> waiting for {', '.join(one.name() for one in left)} of an earlier run to end", flush=True)
    _, alive = psutil.wait_procs(left, timeout=wait_seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_ENDING_SECONDS)


def _leftovers(book: Path) -> Iterator[psutil.Process]:
    """Return the processes that began at the recorded time; another process may have got the id since."""
    if not book.exists():
        return
    for part in json.loads(book.read_text())["parts"].values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(part["pid"])
            began_then = abs(process.create_time() - part["created"]) < 1
            if began_then and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def created(pid: int) -> float:
    """Return when a process began, in seconds of the epoch; now, if it has ended already."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return time.time()
