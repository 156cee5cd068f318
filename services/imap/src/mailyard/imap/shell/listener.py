"""A listener (a `Component`): its sockets, the sessions that came by them, and their end."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.imap.core import responses
from mailyard.imap.core.responses import Completion, Condition
from mailyard.imap.session.conversation import Conversation
from mailyard.imap.session.doors import Doors
from mailyard.imap.session.octets import ResponseBroken
from mailyard.imap.session.options import Options
from mailyard.imap.session.session import Session
from mailyard.imap.shell.channel import ClientChannel
from mailyard.imap.shell.unauthenticated import UnauthenticatedSessions
from mailyard.runtime.admission import Admission, Crowded
from mailyard.runtime.balancers import Balancers
from mailyard.runtime.budget import MemoryBudget
from mailyard.runtime.callers import Caller
from mailyard.runtime.certificates import Certificates
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.introductions import Introductions
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

_OPEN = gauge("mailyard_imap_open_connections")
_ARRIVED = counter("mailyard_imap_connections_total")
_REFUSED = counter("mailyard_imap_refused_connections_total")
_UNAUTHENTICATED = "unauthenticated"  # the limit of the connections without a login
for _limit in (*Crowded, _UNAUTHENTICATED):  # shown as 0 before anybody is turned away
    _REFUSED.labels(str(_limit))
_PAUSE_SECONDS = 0.1
_CROWDED = responses.untagged(Completion(Condition.BYE, "Too many connections, try again later", "LIMIT"))
_TOO_SLOW = responses.untagged(Completion(Condition.BYE, "Too many connections without a login", "LIMIT"))

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reception:
    """What all listeners of the process share."""

    doors: Doors
    options: Options
    admission: Admission
    unauthenticated: UnauthenticatedSessions
    budget: MemoryBudget
    certificates: Certificates | None
    backlog: int
    balancers: Balancers


@dataclass(slots=True)
class _Client:
    """A connection and its session."""

    connection: socket.socket
    session: Session
    channel: ClientChannel
    has_place: bool = True  # in the admission


class Listener:
    """Listens at some endpoints, with TLS from the start (RFC 8314) or by STARTTLS."""

    def __init__(
        self, label: str, endpoints: Sequence[Endpoint], reception: Reception, *, tls_first: bool
    ) -> None:
        self.name = f"{label} listener"
        self._label = label
        self._endpoints = endpoints
        self._reception = reception
        self._tls_first = tls_first
        self._introductions = Introductions(label, reception.balancers, reception.admission)
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._clients: dict[asyncio.Task[None], _Client] = {}

    @property
    def addresses(self) -> list[Endpoint]:
        """Where it listens indeed: port 0 has become a real one."""
        return [Endpoint(*each.getsockname()[:2]) for each in self._sockets]

    async def start(self) -> None:
        """Listen; raises OSError with the endpoint's name where that is not possible."""
        _OPEN.labels(self._label)  # shown as 0 before anybody comes: autoscaling reads it
        for endpoint in self._endpoints:
            self._sockets.append(self._listening_at(endpoint))
        self._accepting = [asyncio.create_task(self._accept(each), name=self.name) for each in self._sockets]
        _log.info("imap.listening", listener=self._label, addresses=[str(each) for each in self.addresses])

    def _listening_at(self, endpoint: Endpoint) -> socket.socket:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        try:
            listening = socket.create_server(endpoint, family=family, backlog=self._reception.backlog)
        except OSError as error:
            raise OSError(error.errno, f"the {self.name} cannot use {endpoint}: {error.strerror}") from error
        listening.setblocking(False)
        return listening

    def not_ready_reason(self) -> str | None:
        """It is ready while it listens."""
        return None if self._accepting else "does not listen"

    async def drain(self) -> None:
        """Stop listening; each session finishes the command in hand and says BYE."""
        await self._stop_listening()
        for client in self._clients.values():
            client.session.stop()
        if self._clients:
            await asyncio.wait(self._clients)

    async def close(self) -> None:
        """Cut what is left."""
        await self._stop_listening()
        left = list(self._clients)
        for task in left:
            self._clients[task].channel.abort()
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _stop_listening(self) -> None:
        accepting, self._accepting = self._accepting, []
        for task in accepting:
            task.cancel()
        self._introductions.close()
        if accepting:
            await asyncio.wait(accepting)
        while self._sockets:
            self._sockets.pop().close()

    # Clients

    async def _accept(self, listening: socket.socket) -> None:
        """Accept for ever; where that fails, the process has too many files open or the client is gone already."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError as error:
                _log.warning("imap.accept_failed", listener=self._label, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._introductions.meet(connection, address, self._admit)

    def _admit(self, connection: socket.socket, caller: Caller) -> None:
        """Begin a session, or turn the client away."""
        limit = self._refusal(caller)
        if limit is not None:
            _REFUSED.labels(limit).inc()
            self._turn_away(connection)
            return
        _ARRIVED.labels(self._label).inc()
        _OPEN.labels(self._label).inc()
        reception = self._reception
        stall_seconds = reception.options.stall_seconds
        channel = ClientChannel(
            caller, reception.certificates, stall_seconds, reception.budget, secure=self._tls_first
        )
        session = Session(channel, reception.doors, reception.options)
        channel.feed(session.connection)
        task = asyncio.create_task(self._serve(connection, session, channel))
        self._clients[task] = _Client(connection, session, channel)
        task.add_done_callback(self._left)
        session.on_login = functools.partial(reception.unauthenticated.discard, session)
        reception.unauthenticated.add(session, functools.partial(self._end_early, task))

    def _refusal(self, caller: Caller) -> str | None:
        """Count a connection in, or say which limit it meets.

        A connection without a login makes room where all places are taken, or all those of its kind.
        """
        admission, unauthenticated = self._reception.admission, self._reception.unauthenticated
        crowded = admission.refusal(caller.counted_as)
        if crowded is Crowded.TOTAL and unauthenticated.end_oldest():
            crowded = admission.refusal(caller.counted_as)
        if crowded is not None:
            return crowded.value
        if unauthenticated.are_full and not unauthenticated.end_oldest():
            admission.gone(caller.counted_as)
            return _UNAUTHENTICATED
        return None

    def _end_early(self, task: asyncio.Task[None]) -> None:
        """End a session without a login, whose place another one takes now."""
        _REFUSED.labels(_UNAUTHENTICATED).inc()
        client = self._clients[task]
        self._give_place_back(client)
        if client.channel.is_connected:
            client.channel.cut_off(_TOO_SLOW)
        else:
            task.cancel()

    def _give_place_back(self, client: _Client) -> None:
        if client.has_place:
            client.has_place = False
            self._reception.admission.gone(client.channel.caller.counted_as)

    def _turn_away(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if not self._tls_first:
                connection.send(_CROWDED)

    def _left(self, task: asyncio.Task[None]) -> None:
        client = self._clients.pop(task)
        self._give_place_back(client)
        self._reception.unauthenticated.discard(client.session)
        if not client.channel.is_connected:
            client.connection.close()
        _OPEN.labels(self._label).dec()

    async def _serve(self, connection: socket.socket, session: Session, channel: ClientChannel) -> None:
        try:
            await self._connect(connection, channel)
            await Conversation(session).run()
        except OSError as error:  # the client is gone, or its handshake failed
            _log.debug("imap.connection_ended", client_ip=channel.client_ip, error=str(error))
        except ResponseBroken as error:
            _log.error("imap.response_broken", client_ip=channel.client_ip, error=str(error))
            channel.abort()
        except Exception:
            _log.exception("imap.session_failed", client_ip=channel.client_ip)
        finally:
            channel.close()

    async def _connect(self, connection: socket.socket, channel: ClientChannel) -> None:
        """Hand the connection to the event loop; raises OSError when its TLS handshake fails."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            if self._tls_first:
                assert self._reception.certificates is not None  # settings with TLS have them
                await self._reception.certificates.accept(connection, channel)
            else:
                await asyncio.get_running_loop().connect_accepted_socket(lambda: channel, connection)
        except BaseException:
            connection.close()
            raise
