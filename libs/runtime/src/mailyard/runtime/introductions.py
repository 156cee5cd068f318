"""PROXY headers on accepted connections: a balancer says in whose name it calls before anything else is said.

Whoever calls from a balancers' network must begin with a header; nobody else's octets are looked at. Not one octet
behind the header is taken from the socket: a TLS handshake may begin there. Nobody waits for somebody else's header.
"""

import asyncio
import functools
import socket
from collections.abc import Callable
from enum import StrEnum

from mailyard.proxyprotocol.header import Header, Malformed, NotAHeader
from mailyard.proxyprotocol.parse import MOST_OCTETS, parse_header
from mailyard.runtime.admission import Admission
from mailyard.runtime.balancers import Balancers
from mailyard.runtime.callers import Caller, direct, parsed
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

_HEADERS = counter("mailyard_proxy_headers_total")
_WAITING = gauge("mailyard_proxy_waiting_connections")
_log = get_logger(__name__)

Welcome = Callable[[socket.socket, Caller], None]


class Outcome(StrEnum):
    """What became of a header; the label of the metric."""

    PROXIED = "proxied"  # it names a client
    LOCAL = "local"  # the balancer calls for itself, or for nobody in particular
    MISSING = "missing"  # something else was said
    MALFORMED = "malformed"
    TIMED_OUT = "timed_out"
    GONE = "gone"  # closed before its end, as balancers do that only look whether somebody listens
    CROWDED = "crowded"  # too many wait already
    STOPPED = "stopped"  # the listener closes


class Introductions:
    """Learns who calls at one listener."""

    def __init__(self, listener: str, balancers: Balancers, admission: Admission) -> None:
        """`listener` is the label of metrics; connections that wait have a place in `admission`."""
        self._listener = listener
        self._balancers = balancers
        self._admission = admission
        self._is_closed = False
        self._waiting: set[asyncio.Task[Header]] = set()
        if self.are_needed:  # shown as 0 before anything happens, so that the first of a kind is a change
            _WAITING.labels(listener)
            for outcome in Outcome:
                _HEADERS.labels(listener, outcome.value)

    @property
    def are_needed(self) -> bool:
        """Whether there is any balancer."""
        return bool(self._balancers.networks)

    def meet(self, connection: socket.socket, peername: tuple[str, int], welcome: Welcome) -> None:
        """Have a non-blocking connection welcomed: at once, or when its balancer has said whose it is.

        Without a header in time it is closed, counted and logged. `welcome` counts the caller in before it waits for
        anything: the place of a connection that waits is given back just before.
        """
        caller = direct(peername)
        if not self._balancers.include(caller):
            welcome(connection, caller)
        elif self._admission.hold():
            self._wait(connection, caller, welcome)
        else:
            self._refuse(connection, caller, Outcome.CROWDED, "too many connections wait for a header")

    def close(self) -> None:
        """Close the connections that wait; none is welcomed any more."""
        self._is_closed = True
        for task in self._waiting:
            task.cancel()

    def _wait(self, connection: socket.socket, balancer: Caller, welcome: Welcome) -> None:
        task = asyncio.create_task(self._header(connection), name=f"introduction-{self._listener}")
        self._waiting.add(task)
        _WAITING.labels(self._listener).inc()
        task.add_done_callback(functools.partial(self._waited, connection, balancer, welcome))

    async def _header(self, connection: socket.socket) -> Header:
        async with asyncio.timeout(self._balancers.header_seconds):
            return await read_header(connection)

    def _waited(
        self, connection: socket.socket, balancer: Caller, welcome: Welcome, task: asyncio.Task[Header]
    ) -> None:
        """A callback, as a task that is cancelled before its first step could not close anything itself."""
        self._waiting.discard(task)
        _WAITING.labels(self._listener).dec()
        self._admission.release()
        if task.cancelled() or self._is_closed:
            self._close(connection, Outcome.STOPPED)
        elif (error := task.exception()) is not None:
            self._refuse(connection, balancer, _outcome(error), str(error))
        else:
            caller = _introduced(task.result(), balancer)
            self._count(Outcome.PROXIED if caller.is_named else Outcome.LOCAL)
            welcome(connection, caller)

    def _refuse(self, connection: socket.socket, balancer: Caller, outcome: Outcome, error: str) -> None:
        self._close(connection, outcome)
        log = _log.debug if outcome is Outcome.GONE else _log.warning
        log(
            "proxy.header_refused",
            listener=self._listener,
            balancer_ip=balancer.address,
            outcome=outcome.value,
            error=error,
        )

    def _close(self, connection: socket.socket, outcome: Outcome) -> None:
        connection.close()
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        _HEADERS.labels(self._listener, outcome.value).inc()


def _outcome(error: BaseException) -> Outcome:
    match error:
        case NotAHeader():
            return Outcome.MISSING
        case Malformed():
            return Outcome.MALFORMED
        case TimeoutError():
            return Outcome.TIMED_OUT
        case _:
            return Outcome.GONE


def _introduced(header: Header, balancer: Caller) -> Caller:
    if header.source is None:
        return Caller(balancer.address, is_direct=False, is_named=False)
    return Caller(str(parsed(str(header.source.address))), is_direct=False)


async def read_header(connection: socket.socket) -> Header:
    """Take a header off a non-blocking socket, and not one octet more; raises OSError, NotAHeader, Malformed.

    Octets are looked at before they are taken: while the end of the header is not among them, all belong to it.
    """
    taken = b""
    while True:
        seen = await _look(connection, MOST_OCTETS - len(taken))
        header = parse_header(taken + seen)
        taken += connection.recv(header.size - len(taken) if header else len(seen))
        if header is not None and header.size == len(taken):
            return header


async def _look(connection: socket.socket, most: int) -> bytes:
    """Return what the socket holds and leave it there; wait until it holds something."""
    while True:
        try:
            seen = connection.recv(most, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(connection)
            continue
        if not seen:
            raise ConnectionResetError("closed before the end of a header")
        return seen


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(connection, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(connection)
