"""Opens sessions: each address of a host in turn, with TLS as the policy asks (RFC 3207, RFC 7435)."""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from mailyard.relay.busy import AddressesBusy
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits, network_keys
from mailyard.relay.providers import NEXT_HOP, provider_of
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.route import Host, RelayRoute, literal_address
from mailyard.relay.session import ClientSession, brief
from mailyard.relay.tcpstream import TcpStream
from mailyard.relay.tlspolicy import TlsPolicy
from mailyard.runtime.metrics import counter
from mailyard.smtp.client import EightBit, Options, Security, SmtpClient, Step
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.reply import Reply

MAX_ADDRESSES: Final = 10  # of one host that one attempt tries


@dataclass(frozen=True, slots=True)
class ConnectFailure:
    """Why there is no session; `own`: the reply is relay's, not the peer's."""

    step: Step
    reply: Reply
    peer: str
    own: bool


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """`lenient` encrypts and verifies nothing; `strict` proves the server's name."""

    lenient: ssl.SSLContext
    strict: ssl.SSLContext

    def of(self, security: Security) -> ssl.SSLContext:
        """Return the context that a policy asks for."""
        return self.strict if security is Security.VERIFY else self.lenient


def tls_contexts(ca_file: str | None) -> TlsContexts:
    """Make the contexts. Raises OSError when `ca_file` cannot be read."""
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    return TlsContexts(lenient, ssl.create_default_context(cafile=ca_file))


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What relay says of itself in EHLO, which extensions it does without, and the names of this installation's own MX."""

    hostname: str
    eight_bit: EightBit = EightBit.SEND
    chunking_from: int | None = None
    own_names: frozenset[str] = frozenset()


class Connector:
    """Open sessions: one call returns one session, or the last reason why there is none."""

    def __init__(
        self,
        profile: ClientProfile,
        timeouts: Timeouts,
        contexts: TlsContexts,
        *,
        networks: NetworkLimiter | None = None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`networks`: connections for each address. `busy`: whether connections are short now."""
        self._profile = profile
        self._timeouts = timeouts
        self._contexts = contexts
        self._networks = networks or NetworkLimiter(NetworkLimits())
        self._busy = busy
        self._sessions = counter("mailyard_relay_sessions_total")
        self._failures = counter("mailyard_relay_session_failures_total")

    async def connect(self, host: Host, route: RelayRoute) -> ClientSession | ConnectFailure:
        """Try the addresses of a host. Raises AddressesBusy when one had no free connection, and no other one answered."""
        provider = NEXT_HOP if route.configured else provider_of(host.name)
        failure = ConnectFailure(
            Step.CONNECT, own_reply(451, "4.4.1", "the host has no address"), str(host), own=True
        )
        full: list[str] = []
        for address in host.addresses[:MAX_ADDRESSES]:
            target = _Target(host, address, route)
            opened = await (self._at(target) if route.configured else self._limited(target))
            if opened is None:
                full.append(address)
            elif isinstance(opened, ConnectFailure):
                self._failures.labels(provider, opened.step.value).inc()
                failure = opened
            elif not route.configured and self._is_ourselves(opened):
                opened.close()
                return _loop(host, opened.peer)
            else:
                self._sessions.labels(provider, opened.tls.partition(" ")[0] or "none").inc()
                return opened
        if full:
            raise AddressesBusy(full, "all connections to the host's addresses are in use")
        return failure

    async def _limited(self, target: "_Target") -> ClientSession | ConnectFailure | None:
        """Connect, unless the address has as many connections as it may have; the session counts until it ends."""
        address = target.address
        if not self._networks.take(address):
            return None
        opened: ClientSession | ConnectFailure | None = None
        try:
            opened = await self._at(target)
        finally:
            if isinstance(opened, ClientSession):
                opened.networks = network_keys(address)
                opened.when_closed(partial(self._networks.free, address))
            else:
                self._networks.free(address)
        return opened

    async def _at(self, target: "_Target") -> ClientSession | ConnectFailure:
        """Connect; opportunistic TLS that fails is followed by a try in clear."""
        tls = target.host.tls
        opened = await self._open(target, tls)
        if isinstance(opened, ClientSession) or tls.security is not Security.MAY:
            return opened
        if opened.step is not Step.STARTTLS or tls.implicit:
            return opened
        return await self._open(target, replace(tls, security=Security.NONE))

    async def _open(self, target: "_Target", tls: TlsPolicy) -> ClientSession | ConnectFailure:
        context = self._contexts.of(tls.security)
        try:
            async with asyncio.timeout(self._timeouts.connect):  # TLS from the first octet included
                stream = await TcpStream.connect(
                    target.address,
                    target.host.port,
                    context if tls.implicit else None,
                    target.name,
                    source=source_for(target.address, target.route.sources),
                )
        except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot say
            return _unreachable(error, target.peer)
        if tls.implicit and (reason := tls.refusal(target.name, stream.ssl_object)) is not None:
            stream.abort()
            return _without_tls(reason, target.peer)
        client = SmtpClient(self._options(target.route, tls), tls=tls.implicit)
        session = ClientSession(stream, client, self._timeouts, target.peer, busy=self._busy)
        try:
            refused = await session.open(context, target.name, tls)
        except BaseException:
            session.close()
            raise
        if refused is None:
            return session
        session.close()
        return ConnectFailure(refused.step, refused.reply, target.peer, refused.own)

    def _is_ourselves(self, session: ClientSession) -> bool:
        """Tell whether the server has a name of this installation; a name without a dot proves nothing."""
        return "." in session.server_name and session.server_name in self._profile.own_names

    def _options(self, route: RelayRoute, tls: TlsPolicy) -> Options:
        return Options(
            hostname=self._profile.hostname,
            dialect=route.dialect,
            security=tls.security,
            credentials=route.credentials,
            eight_bit=self._profile.eight_bit,
            chunking_from=self._profile.chunking_from,
        )


@dataclass(frozen=True, slots=True)
class _Target:
    """One address of a host of a route. `name`: the one that the server must prove."""

    host: Host
    address: str
    route: RelayRoute

    @property
    def name(self) -> str:
        return self.address if literal_address(self.host.name) else self.host.name

    @property
    def peer(self) -> str:
        name = "" if self.host.name == self.address else self.host.name
        return f"{name}[{self.address}]:{self.host.port}"


def source_for(address: str, sources: Sequence[str]) -> str | None:
    """Return the own address to connect from to an address: the first of the same family; None: the system chooses."""
    version = ipaddress.ip_address(address).version
    return next((each for each in sources if ipaddress.ip_address(each).version == version), None)


def _unreachable(error: Exception, peer: str) -> ConnectFailure:
    """Return the failure: no answer from the host (RFC 3463 section 3.5), or no TLS where TLS comes first."""
    if isinstance(error, (ssl.SSLError, ValueError)):
        return _without_tls(brief(error), peer)
    text = "connecting took too long" if isinstance(error, TimeoutError) else brief(error)
    return ConnectFailure(Step.CONNECT, own_reply(451, "4.4.1", text), peer, own=True)


def _without_tls(reason: str, peer: str) -> ConnectFailure:
    reply = own_reply(454, "4.7.5", f"TLS handshake failed: {reason}")
    return ConnectFailure(Step.STARTTLS, reply, peer, own=True)


def _loop(host: Host, peer: str) -> ConnectFailure:
    """Return the failure of a host that is this installation itself: mail must come closer with each hop (RFC 5321 section 5.1)."""
    reply = own_reply(554, "5.4.6", f"mail for {host.name} leads back to ourselves")
    return ConnectFailure(Step.CONNECT, reply, peer, own=True)
