"""`mailyard replica-set initiate`: for MongoDB servers that start with `--replSet` and `--keyFile`."""

import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mailyard.cli.ending import UNAVAILABLE, fail
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.replicaset.initiation import Initiation, Wanted, own_member, until_complete
from mailyard.cli.secret import password_in
from mailyard.runtime.endpoint import Endpoint

app = typer.Typer(no_args_is_help=True, help="Initiate a MongoDB replica set for a trial.")
PAUSE_SECONDS = 1.0
_WAIT = "import signal; signal.sigwait({signal.SIGTERM, signal.SIGINT})"


@app.command()
def initiate(
    *,
    member: Annotated[
        list[Endpoint],
        typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="A member; may be repeated."),
    ],
    user: Annotated[str, typer.Option(help="The first user, with the role root.")],
    password_file: Annotated[Path, typer.Option(help="File with the user's password.", dir_okay=False)],
    name: Annotated[str, typer.Option(help="The name in --replSet.")] = "rs0",
    at: Annotated[
        Endpoint, typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="The server on this machine.")
    ] = "127.0.0.1:27017",  # type: ignore[assignment]  # typer parses it
    wait: Annotated[float, typer.Option(help="Seconds before the command gives up.", min=0)] = 600.0,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep running after success until stopped, as a sidecar.")
    ] = False,
) -> None:
    """Initiate a replica set of new servers and create its first user.

    It may run for every member: the first member initiates, the one that becomes primary gets the user, the others
    wait. It changes nothing that exists.
    """
    stop = _stop_on_signals()
    wanted = Wanted(name, tuple(member), user, password_in(password_file))
    initiation = Initiation(wanted, at, own_member(member, socket.gethostname()))
    deadline = time.monotonic() + wait
    missing = until_complete(
        initiation,
        lambda: stop.is_set() or time.monotonic() > deadline,
        partial(stop.wait, PAUSE_SECONDS),
        typer.echo,
    )
    if missing is not None:
        fail(missing, UNAVAILABLE)
    typer.echo(f"The replica set {name} is complete, {user} can log in.")
    if stay:
        _stay()


def _stay() -> NoReturn:
    """Become an interpreter that only waits: a sidecar lives long, and shall not hold the memory of its work.

    A signal that comes in between is kept for it.
    """
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    os.execv(sys.executable, (sys.executable, "-I", "-S", "-c", _WAIT))  # noqa: S606  # no shell is wanted


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
