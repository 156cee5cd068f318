"""Opens sessions: each address of a host in turn, with TLS as the policy asks (RFC 3207, RFC 7435)."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from mailyard.relay.busy import AddressesBusy
from mailyard.relay.destination import Host, literal_address
from mailyard.relay.link import Link
from mailyard.relay.networklimiter import NetworkLimiter, NetworkLimits, network_keys
from mailyard.relay.nexthop import Policy
from mailyard.relay.providers import NEXT_HOP, provider_of
from mailyard.relay.session import Session, brief
from mailyard.relay.timeouts import Timeouts
from mailyard.runtime.metrics import counter
from mailyard.smtp.client import Client, EightBit, Options, Refused, Security, Step
from mailyard.smtp.client.replies import own_reply
from mailyard.smtp.reply import Reply

MAX_ADDRESSES: Final = 10  # of one host that one attempt tries


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no session, and who said so."""

    step: Step
    reply: Reply
    place: str
    own: bool


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """`lenient` proves nothing but keeps listeners out; `strict` proves the server's name."""

    lenient: ssl.SSLContext
    strict: ssl.SSLContext

    def of(self, security: Security) -> ssl.SSLContext:
        """The context that a policy asks for."""
        return self.strict if security is Security.VERIFY else self.lenient


def tls_contexts(ca_file: str | None) -> TlsContexts:
    """Raises OSError when `ca_file` cannot be read."""
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    return TlsContexts(lenient, ssl.create_default_context(cafile=ca_file))


@dataclass(frozen=True, slots=True)
class Manners:
    """How we introduce ourselves, what we do without, and the names that only our own MX says of itself."""

    hostname: str
    eight_bit: EightBit = EightBit.SEND
    chunking_from: int | None = None
    own_names: frozenset[str] = frozenset()


class Connector:
    """One call is one session, or the last reason why there is none."""

    def __init__(
        self,
        manners: Manners,
        timeouts: Timeouts,
        contexts: TlsContexts,
        *,
        networks: NetworkLimiter | None = None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`networks`: connections for each address. `busy`: whether connections are short now."""
        self._manners = manners
        self._timeouts = timeouts
        self._contexts = contexts
        self._networks = networks or NetworkLimiter(NetworkLimits())
        self._busy = busy
        self._sessions = counter("mailyard_relay_sessions_total")
        self._failures = counter("mailyard_relay_session_failures_total")

    async def connect(self, host: Host, policy: Policy, *, configured: bool) -> Session | Refusal:
        """Try the addresses of a host. Raises AddressesBusy when one was passed over, and no other one took us."""
        provider = NEXT_HOP if configured else provider_of(host.name)
        refusal = Refusal(
            Step.CONNECT, own_reply(451, "4.4.1", "the host has no address"), str(host), own=True
        )
        full: list[str] = []
        for address in host.addresses[:MAX_ADDRESSES]:
            opened = await (
                self._at(host, address, policy) if configured else self._limited(host, address, policy)
            )
            if opened is None:
                full.append(address)
            elif isinstance(opened, Refusal):
                self._failures.labels(provider, opened.step.value).inc()
                refusal = opened
            elif not configured and self._is_ourselves(opened):
                opened.close()
                return _loop(host, opened.place)
            else:
                self._sessions.labels(provider, opened.tls.partition(" ")[0] or "none").inc()
                return opened
        if full:
            raise AddressesBusy(full, "all connections to the host's addresses are in use")
        return refusal

    async def _limited(self, host: Host, address: str, policy: Policy) -> Session | Refusal | None:
        """One address, unless it has as many connections as it may have; the session counts until it ends."""
        if not self._networks.take(address):
            return None
        opened: Session | Refusal | None = None
        try:
            opened = await self._at(host, address, policy)
        finally:
            if isinstance(opened, Session):
                opened.networks = network_keys(address)
                opened.when_closed(partial(self._networks.free, address))
            else:
                self._networks.free(address)
        return opened

    async def _at(self, host: Host, address: str, policy: Policy) -> Session | Refusal:
        """One address; opportunistic TLS that fails is followed by a try in clear."""
        opened = await self._open(host, address, policy)
        if isinstance(opened, Session) or policy.security is not Security.MAY:
            return opened
        if opened.step is not Step.STARTTLS or policy.implicit_tls:
            return opened
        return await self._open(host, address, replace(policy, security=Security.NONE))

    async def _open(self, host: Host, address: str, policy: Policy) -> Session | Refusal:
        place = f"{host.name}[{address}]:{host.port}" if host.name != address else f"[{address}]:{host.port}"
        name = address if literal_address(host.name) else host.name
        context = self._contexts.of(policy.security)
        try:
            async with asyncio.timeout(self._timeouts.connect):  # TLS from the first octet included
                link = await Link.connect(address, host.port, context if policy.implicit_tls else None, name)
        except (OSError, ValueError) as error:  # ValueError: a name that TLS cannot say
            return _unreachable(error, place)
        client = Client(self._options(policy), tls=policy.implicit_tls)
        session = Session(link, client, self._timeouts, place, busy=self._busy)
        try:
            refused = await session.open(context, name)
        except BaseException:
            session.close()
            raise
        if refused is None:
            return session
        session.close()
        return _refusal(refused, place)

    def _is_ourselves(self, session: Session) -> bool:
        """A name without a dot, such as localhost, says nothing."""
        return "." in session.server_name and session.server_name in self._manners.own_names

    def _options(self, policy: Policy) -> Options:
        return Options(
            hostname=self._manners.hostname,
            dialect=policy.dialect,
            security=policy.security,
            credentials=policy.credentials,
            eight_bit=self._manners.eight_bit,
            chunking_from=self._manners.chunking_from,
        )


def _unreachable(error: Exception, place: str) -> Refusal:
    """No answer from the host (RFC 3463 section 3.5), or no TLS where TLS comes first."""
    if isinstance(error, (ssl.SSLError, ValueError)):
        reply = own_reply(454, "4.7.5", f"TLS handshake failed: {brief(error)}")
        return Refusal(Step.STARTTLS, reply, place, own=True)
    text = "connecting took too long" if isinstance(error, TimeoutError) else brief(error)
    return Refusal(Step.CONNECT, own_reply(451, "4.4.1", text), place, own=True)


def _loop(host: Host, place: str) -> Refusal:
    """The MX is ourselves, by whatever address: mail must come closer with each hop (RFC 5321 section 5.1)."""
    reply = own_reply(554, "5.4.6", f"mail for {host.name} leads back to ourselves")
    return Refusal(Step.CONNECT, reply, place, own=True)


def _refusal(refused: Refused, place: str) -> Refusal:
    return Refusal(refused.step, refused.reply, place, refused.own)
