"""PROXY headers on accepted connections: a load balancer names its client before the first octet of the client.

A connection from a network of load balancers must begin with a header; headers from elsewhere are not read. No octet
behind the header is taken from the socket, because a TLS handshake may begin there. Headers are read concurrently: a
connection that sends none in time delays no other.
"""

import asyncio
import functools
import socket
from collections.abc import Callable
from enum import StrEnum

from mailyard.listening.address import ClientAddress, address_of, parse_ip
from mailyard.listening.admission import Admission
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.proxyprotocol.header import Header, Malformed, NotAHeader
from mailyard.proxyprotocol.parse import MOST_OCTETS, parse_header
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

_HEADERS = counter("mailyard_proxy_headers_total")
_WAITING = gauge("mailyard_proxy_waiting_connections")
_log = get_logger(__name__)

OnClient = Callable[[socket.socket, ClientAddress], None]


class HeaderOutcome(StrEnum):
    """The result of reading a header; the label of the metric."""

    PROXIED = "proxied"  # it names a client
    LOCAL = "local"  # the load balancer connects for itself, or names no client
    MISSING = "missing"  # the connection began with something else
    MALFORMED = "malformed"
    TIMED_OUT = "timed_out"
    GONE = "gone"  # closed before its end, as a load balancer's health check does
    CROWDED = "crowded"  # too many wait already
    STOPPED = "stopped"  # the listener closes


class ProxyAcceptor:
    """Finds the client's address of each connection that one listener accepts."""

    def __init__(self, listener: str, proxies: ProxySettings, admission: Admission) -> None:
        """`listener` is the label of metrics; connections that wait for a header count in `admission`."""
        self._listener = listener
        self._proxies = proxies
        self._admission = admission
        self._is_closed = False
        self._waiting: set[asyncio.Task[Header]] = set()
        if self.is_needed:  # shown as 0 before anything happens, so that the first of a kind is a change
            _WAITING.labels(listener)
            for outcome in HeaderOutcome:
                _HEADERS.labels(listener, outcome.value)

    @property
    def is_needed(self) -> bool:
        """Whether there are networks of load balancers."""
        return bool(self._proxies.proxy_networks)

    def accept(self, connection: socket.socket, peername: tuple[str, int], on_client: OnClient) -> None:
        """Call `on_client` for a non-blocking connection: at once, or when its load balancer has named the client.

        A connection without a header in time is closed, counted and logged. The reserved connection in the admission is
        released just before `on_client`, which must admit the client before it waits for anything.
        """
        peer = address_of(peername)
        if not self._proxies.is_proxy(peer):
            on_client(connection, peer)
        elif self._admission.reserve():
            self._wait(connection, peer, on_client)
        else:
            self._refuse(connection, peer, HeaderOutcome.CROWDED, "too many connections wait for a header")

    def close(self) -> None:
        """Close the connections that wait; `on_client` is not called any more."""
        self._is_closed = True
        for task in self._waiting:
            task.cancel()

    def _wait(self, connection: socket.socket, proxy: ClientAddress, on_client: OnClient) -> None:
        task = asyncio.create_task(self._header(connection), name=f"proxy-header-{self._listener}")
        self._waiting.add(task)
        _WAITING.labels(self._listener).inc()
        task.add_done_callback(functools.partial(self._waited, connection, proxy, on_client))

    async def _header(self, connection: socket.socket) -> Header:
        async with asyncio.timeout(self._proxies.proxy_header_seconds):
            return await read_header(connection)

    def _waited(
        self, connection: socket.socket, proxy: ClientAddress, on_client: OnClient, task: asyncio.Task[Header]
    ) -> None:
        """Go on when the task is done. A task that is cancelled before its first step could not close the socket itself."""
        self._waiting.discard(task)
        _WAITING.labels(self._listener).dec()
        self._admission.release()
        if task.cancelled() or self._is_closed:
            self._close(connection, HeaderOutcome.STOPPED)
        elif (error := task.exception()) is not None:
            self._refuse(connection, proxy, _outcome(error), str(error))
        else:
            client = _client(task.result(), proxy)
            self._count(HeaderOutcome.PROXIED if client.is_named else HeaderOutcome.LOCAL)
            on_client(connection, client)

    def _refuse(
        self, connection: socket.socket, proxy: ClientAddress, outcome: HeaderOutcome, error: str
    ) -> None:
        self._close(connection, outcome)
        log = _log.debug if outcome is HeaderOutcome.GONE else _log.warning
        log(
            "proxy.header_refused",
            listener=self._listener,
            balancer_ip=proxy.ip,
            outcome=outcome.value,
            error=error,
        )

    def _close(self, connection: socket.socket, outcome: HeaderOutcome) -> None:
        connection.close()
        self._count(outcome)

    def _count(self, outcome: HeaderOutcome) -> None:
        _HEADERS.labels(self._listener, outcome.value).inc()


def _outcome(error: BaseException) -> HeaderOutcome:
    match error:
        case NotAHeader():
            return HeaderOutcome.MISSING
        case Malformed():
            return HeaderOutcome.MALFORMED
        case TimeoutError():
            return HeaderOutcome.TIMED_OUT
        case _:
            return HeaderOutcome.GONE


def _client(header: Header, proxy: ClientAddress) -> ClientAddress:
    if header.source is None:
        return ClientAddress(proxy.ip, is_direct=False, is_named=False)
    return ClientAddress(str(parse_ip(str(header.source.address))), is_direct=False)


async def read_header(connection: socket.socket) -> Header:
    """Read a header from a non-blocking socket, and no octet behind it; raises OSError, NotAHeader, Malformed.

    Octets are peeked at before they are read: while the end of the header is not among them, all belong to it.
    """
    taken = b""
    while True:
        seen = await _peek(connection, MOST_OCTETS - len(taken))
        header = parse_header(taken + seen)
        taken += connection.recv(header.size - len(taken) if header else len(seen))
        if header is not None and header.size == len(taken):
            return header


async def _peek(connection: socket.socket, most: int) -> bytes:
    """Return what the socket holds and leave it there; wait for the first octet."""
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
