"""A listener (a `Component`): its sockets, the sessions that came by them, and their end."""

import asyncio
import contextlib
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
for _limit in Crowded:  # shown as 0 before anybody is turned away
    _REFUSED.labels(_limit.value)
_PAUSE_SECONDS = 0.1
_CROWDED = responses.untagged(Completion(Condition.BYE, "Too many connections, try again later", "LIMIT"))

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reception:
    """What all listeners of the process share."""

    doors: Doors
    options: Options
    admission: Admission
    budget: MemoryBudget
    certificates: Certificates | None
    backlog: int
    balancers: Balancers


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
        self._sessions: dict[asyncio.Task[None], tuple[Session, ClientChannel]] = {}

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

    def unready(self) -> str | None:
        """It is ready while it listens."""
        return None if self._accepting else "does not listen"

    async def drain(self) -> None:
        """Stop listening; each session finishes the command in hand and says BYE."""
        await self._stop_listening()
        for session, _ in self._sessions.values():
            session.stop()
        if self._sessions:
            await asyncio.wait(self._sessions)

    async def close(self) -> None:
        """Cut what is left."""
        await self._stop_listening()
        left = list(self._sessions)
        for task in left:
            self._sessions[task][1].abort()
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
        crowded = self._reception.admission.refusal(caller.counted_as)
        if crowded is not None:
            _REFUSED.labels(crowded.value).inc()
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
        self._sessions[task] = session, channel
        task.add_done_callback(self._left)

    def _turn_away(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if not self._tls_first:
                connection.send(_CROWDED)

    def _left(self, task: asyncio.Task[None]) -> None:
        _, channel = self._sessions.pop(task)
        self._reception.admission.gone(channel.caller.counted_as)
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
