"""One connection to hosts of every temper: the connector, the session and the stream, on real sockets."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import AuthResult

from mailyard.relay.connector import ClientProfile, ConnectFailure, Connector, tls_contexts
from mailyard.relay.replytimer import Timeouts
from mailyard.relay.route import Host, RelayRoute
from mailyard.relay.routetable import RouteTable
from mailyard.relay.session import ClientSession
from mailyard.relay.tcpstream import TcpStream
from mailyard.relay.tlspolicy import PeerCertificate, TlsPolicy
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.client import (
    Dialect,
    EnvelopeRecipient,
    LoginCredentials,
    Options,
    Security,
    SmtpClient,
    Step,
    TransactionEnvelope,
)
from mailyard.smtp.client.nexthop import NextHop

CLEAR = TlsPolicy(Security.NONE)
VERIFY = TlsPolicy(Security.VERIFY)
SHORT = Timeouts(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
OPENING = "S: 220 mx.example ESMTP\nC: EHLO relay.example\n"
ENVELOPE = "C: MAIL\nC: RCPT\nC: DATA\nS: 250 Ok\nS: 250 Ok\n"
PIPELINING = OPENING + "S: 250-mx.example\nS: 250 PIPELINING\n"


def connector(timeouts: Timeouts | None = None, ca_file: Path | None = None) -> Connector:
    contexts = tls_contexts(str(ca_file) if ca_file else None)
    return Connector(ClientProfile("relay.example"), timeouts or Timeouts(), contexts)


async def opened(port: int, tls: TlsPolicy = CLEAR, **how) -> ClientSession:
    session = await refused_or_open(port, tls, **how)
    assert isinstance(session, ClientSession), session
    return session


async def refused_or_open(
    port: int, tls: TlsPolicy = CLEAR, *addresses: str, via: dict | None = None, **how
) -> ClientSession | ConnectFailure:
    """`via`: what the route says beside its host."""
    host = Host("mx.example", port, addresses or ("127.0.0.1",), tls)
    return await connector(**how).connect(host, RelayRoute((host,), **(via or {})))


def envelope(*recipients: str, **fields) -> TransactionEnvelope:
    named = recipients or ("bob@b.example",)
    return TransactionEnvelope("alice@a.example", tuple(EnvelopeRecipient(each) for each in named), **fields)


async def content(*pieces: bytes) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece


async def test_a_message_is_taken_over_a_kept_connection(peer) -> None:
    transaction = ENVELOPE + "S: 354 Go on\nbody\nS: 250 2.0.0 Queued\n"
    host = await peer(PIPELINING + transaction + transaction + "C: QUIT\nS: 221 Bye")
    session = await opened(host.port)
    for _ in range(2):
        done = await session.send(envelope(), content(b"Subject: x\r\n", b"\r\n.dot\r\n"))
        assert [str(each.reply) for each in done.outcomes] == ["250 2.0.0 Queued"]
        assert session.usable
    session.close()
    assert host.bodies == [b"Subject: x\r\n\r\n..dot\r\n.\r\n"] * 2
    assert host.connections == 1
    assert host.faults == []


@pytest.mark.parametrize(
    ("script", "step", "said"),
    [
        ("hang", Step.GREETING, "timed out"),
        ("cut", Step.GREETING, "connection"),
        ("close", Step.GREETING, "closed the connection"),
        ("S: 554 Go away", Step.GREETING, "Go away"),
        ("S: HTTP/1.1 400 Bad Request", Step.GREETING, "not an SMTP reply"),
        ("S: 220 x\nC: EHLO\nhang", Step.HELLO, "timed out"),
        ("S: 220 x\nC: EHLO\nS: 421 Busy", Step.HELLO, "Busy"),
    ],
)
async def test_a_session_that_does_not_open_says_why(peer, script: str, step: Step, said: str) -> None:
    host = await peer(script)
    failure = await refused_or_open(host.port, timeouts=SHORT)
    assert isinstance(failure, ConnectFailure)
    assert failure.step is step
    assert said in str(failure.reply)
    assert failure.peer == f"mx.example[127.0.0.1]:{host.port}"


async def test_a_closed_port_is_named(unused_tcp_port: int) -> None:
    failure = await refused_or_open(unused_tcp_port)
    assert isinstance(failure, ConnectFailure)
    assert (failure.step, failure.reply.enhanced) == (Step.CONNECT, "4.4.1")


async def test_the_next_address_is_tried(peer) -> None:
    host = await peer(PIPELINING)
    session = await refused_or_open(host.port, CLEAR, "127.0.0.2", "127.0.0.1")
    assert isinstance(session, ClientSession)
    assert "127.0.0.1" in session.peer
    session.close()


@pytest.mark.parametrize(
    ("script", "step", "said", "uncertain"),
    [
        ("C: MAIL\nhang", Step.MAIL, "timed out", False),
        ("C: MAIL\ncut", Step.MAIL, "connection", False),
        (ENVELOPE + "hang", Step.DATA, "timed out", False),
        (ENVELOPE + "S: 354 Go on\ncut", Step.BODY, "connection", False),
        (ENVELOPE + "S: 354 Go on\nbody\nhang", Step.END, "timed out", True),
        (ENVELOPE + "S: 354 Go on\nbody\nclose", Step.END, "closed", True),
        (ENVELOPE + "S: 354 Go on\nbody\nS: gibberish", Step.END, "not an SMTP reply", True),
    ],
)
async def test_a_transaction_that_breaks_says_where(
    peer, script: str, step: Step, said: str, uncertain: bool
) -> None:
    host = await peer(PIPELINING + script)
    session = await opened(host.port, timeouts=SHORT)
    message = b"x" * 1000 + b"\r\n"
    done = await session.send(envelope(), content(*[message] * (20_000 if step is Step.BODY else 1)))
    (outcome,) = done.outcomes
    assert (outcome.step, outcome.own, outcome.uncertain) == (step, True, uncertain)
    assert said in outcome.reply.text
    assert outcome.reply.is_transient
    assert not session.usable
    session.close()


async def test_a_host_that_stops_to_read_the_message_counts_as_waited_for(peer) -> None:
    host = await peer(PIPELINING + ENVELOPE + "S: 354 Go on\nC: x\nstall")
    session = await opened(host.port, timeouts=SHORT)
    session.take_waited()
    await session.send(envelope(), content(*[b"x" * 1000 + b"\r\n"] * 20_000))
    assert session.take_waited() >= SHORT.block - 0.05
    session.close()


@pytest.mark.parametrize(("seconds", "waited"), [(3.0, 0.0), (120.0, 116.0)], ids=["slow line", "tarpit"])
def test_reading_a_message_counts_as_far_as_it_is_slower_than_a_slow_line(
    seconds: float, waited: float
) -> None:
    session = ClientSession(
        TcpStream(), SmtpClient(Options(hostname="relay.example")), Timeouts(), "mx.example"
    )
    session._writing, session._written = seconds, 256 * 1024
    assert session.take_waited() == waited
    assert session.take_waited() == 0.0


async def test_a_host_that_refuses_in_the_middle_of_the_message_is_heard(peer) -> None:
    host = await peer(PIPELINING + ENVELOPE + "S: 354 Go on\nC: x\nS: 552 5.3.4 Enough\nhang")
    session = await opened(host.port)
    sent = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 60_000 + b"\r\n"

    async with asyncio.timeout(10):
        done = await session.send(envelope(), endless())
    (outcome,) = done.outcomes
    assert str(outcome.reply) == "552 5.3.4 Enough"
    assert not session.usable
    session.close()


async def test_a_host_that_does_not_read_times_out(peer) -> None:
    host = await peer(PIPELINING + ENVELOPE + "S: 354 Go on\nC: x\nstall")
    session = await opened(host.port, timeouts=replace(SHORT, data=5))
    async with asyncio.timeout(20):
        done = await session.send(envelope(), content(*[b"x" * 1_000_000 + b"\r\n"] * 60))
    (outcome,) = done.outcomes
    assert outcome.step is Step.BODY
    assert "to read" in outcome.reply.text
    session.close()


async def test_a_host_that_sends_an_octet_now_and_then_times_out_too(peer) -> None:
    host = await peer(PIPELINING + "C: MAIL\ntrickle")
    session = await opened(host.port, timeouts=SHORT)
    async with asyncio.timeout(3):
        done = await session.send(envelope(), content(b"x"))
    assert "timed out" in done.outcomes[0].reply.text
    session.close()


async def test_an_idle_connection_that_the_host_closed_is_noticed(peer, wait_until) -> None:
    host = await peer(PIPELINING + "close")
    session = await opened(host.port)
    await wait_until(lambda: not session.usable)
    done = await session.send(envelope(), content(b"x"))
    assert [(each.step, each.own) for each in done.outcomes] == [(Step.MAIL, True)]
    session.close()


async def test_a_message_that_cannot_be_read_cuts_the_connection(peer, wait_until) -> None:
    host = await peer(PIPELINING + ENVELOPE + "S: 354 Go on\nbody")
    session = await opened(host.port)

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"half\r\n"
        raise Unavailable("the store is away")

    with pytest.raises(Unavailable):
        await session.send(envelope(), broken())
    assert not session.usable
    await wait_until(lambda: host.open == 0)
    assert host.bodies == []


async def test_a_cancelled_transaction_does_not_end_the_message(peer, wait_until) -> None:
    host = await peer(PIPELINING + ENVELOPE + "S: 354 Go on\nbody")
    session = await opened(host.port)

    async def slow() -> AsyncGenerator[bytes, None]:
        yield b"half\r\n"
        await asyncio.sleep(60)

    sending = asyncio.create_task(session.send(envelope(), slow()))
    await wait_until(lambda: len(host.lines) == 4)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    session.close()
    await wait_until(lambda: host.open == 0)
    assert host.bodies == []


@pytest.mark.parametrize(("dead", "reached"), [(9, True), (10, False)])
async def test_so_many_addresses_of_a_host_are_tried(peer, dead: int, reached: bool) -> None:
    host = await peer(PIPELINING)
    addresses = [f"127.0.0.{number}" for number in range(2, dead + 2)]
    session = await refused_or_open(host.port, CLEAR, *addresses, "127.0.0.1")
    assert isinstance(session, ClientSession) is reached
    if isinstance(session, ClientSession):
        session.close()


async def test_a_host_that_has_our_own_name_is_ourselves(peer) -> None:
    host = await peer("S: 220 hello\nC: EHLO\nS: 250-Us.example at your service\nS: 250 PIPELINING\nC: QUIT")
    profile = ClientProfile("relay.example", own_names=frozenset({"us.example"}))
    dialled = Host("mx.example", host.port, ("127.0.0.1", "127.0.0.2"), CLEAR)
    connecting = Connector(profile, Timeouts(), tls_contexts(None))
    failure = await connecting.connect(dialled, RelayRoute((dialled,)))
    assert isinstance(failure, ConnectFailure)
    assert (failure.reply.code, failure.reply.enhanced, failure.own) == (554, "5.4.6", True)
    session = await connecting.connect(
        dialled, RelayRoute((dialled,), configured=True)
    )  # a next hop may be our own
    assert isinstance(session, ClientSession)
    session.close()


# TLS

STARTTLS = OPENING + "S: 250-mx.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Go on\n"
AFTER_TLS = "C: EHLO\nS: 250-mx.example\nS: 250 PIPELINING\n"


@pytest.mark.parametrize("security", [Security.MAY, Security.ENCRYPT])
async def test_tls_with_any_certificate_keeps_listeners_out(peer, security: Security) -> None:
    host = await peer(STARTTLS + "tls\n" + AFTER_TLS + ENVELOPE + "S: 354 Go on\nbody\nS: 250 Ok")
    session = await opened(host.port, TlsPolicy(security))
    assert session.tls.startswith("TLSv1.3 ")
    done = await session.send(envelope(), content(b"x\r\n"))
    assert done.outcomes[0].reply.code == 250
    session.close()


async def test_verify_takes_the_right_certificate_only(peer, certificate: Path) -> None:
    host = await peer(STARTTLS + "tls\n" + AFTER_TLS)
    session = await opened(host.port, VERIFY, ca_file=certificate)
    session.close()
    failure = await refused_or_open(host.port, VERIFY)
    assert isinstance(failure, ConnectFailure)
    assert (failure.step, failure.reply.enhanced) == (Step.STARTTLS, "4.7.5")
    assert "does not prove the host's name" in failure.reply.text


async def test_verify_takes_the_right_name_only(peer, certificate: Path) -> None:
    host = await peer(STARTTLS + "tls\n" + AFTER_TLS)
    other = Host("other.example", host.port, ("127.0.0.1",), VERIFY)
    failure = await connector(ca_file=certificate).connect(other, RelayRoute((other,)))
    assert isinstance(failure, ConnectFailure)
    assert "TLS handshake failed" in failure.reply.text


async def test_opportunistic_tls_that_fails_is_followed_by_a_try_in_clear(peer) -> None:
    host = await peer(STARTTLS + "S: this is no handshake\nclose", PIPELINING)
    session = await opened(host.port, TlsPolicy())
    assert session.tls == ""
    assert host.connections == 2
    session.close()


async def test_required_tls_that_fails_is_not_followed_by_a_try_in_clear(peer) -> None:
    host = await peer(STARTTLS + "S: this is no handshake\nclose", PIPELINING)
    failure = await refused_or_open(host.port, TlsPolicy(Security.ENCRYPT))
    assert isinstance(failure, ConnectFailure)
    assert failure.step is Step.STARTTLS
    assert host.connections == 1


async def test_replies_in_clear_behind_starttls_do_not_count(peer) -> None:
    injected = "S: 220 Go on|250-mx.example|250 SIZE 1\n"
    host = await peer(STARTTLS.replace("S: 220 Go on\n", injected) + "tls\n" + AFTER_TLS)
    session = await opened(host.port, TlsPolicy(Security.ENCRYPT))
    done = await session.send(envelope(size=100), content(b"x"))
    assert done.outcomes[0].reply.code != 552
    session.close()


async def test_a_handshake_that_never_ends_times_out(peer) -> None:
    host = await peer(STARTTLS + "hang")
    failure = await refused_or_open(host.port, TlsPolicy(Security.ENCRYPT), timeouts=SHORT)
    assert isinstance(failure, ConnectFailure)
    assert failure.step is Step.STARTTLS


@dataclass(frozen=True)
class Pinned:
    """The certificate that a host must show."""

    der: bytes

    def __call__(self, certificate: PeerCertificate) -> str | None:
        return None if certificate == PeerCertificate("mx.example", self.der) else "another certificate"


@pytest.fixture
def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----BEGIN PRIVATE")[0])


async def test_a_certificate_check_decides_after_the_handshake(peer, der: bytes) -> None:
    host = await peer(STARTTLS + "tls\n" + AFTER_TLS)
    session = await opened(host.port, TlsPolicy(Security.ENCRYPT, check=Pinned(der)))
    assert session.tls
    session.close()
    failure = await refused_or_open(host.port, TlsPolicy(Security.ENCRYPT, check=Pinned(b"other")))
    assert isinstance(failure, ConnectFailure)
    assert (failure.step, failure.reply.code, failure.reply.enhanced) == (Step.STARTTLS, 454, "4.7.5")
    assert failure.reply.text == "TLS handshake failed: another certificate"
    assert host.connections == 2  # no try in clear


async def test_a_certificate_check_decides_where_tls_comes_first(server_tls: ssl.SSLContext) -> None:
    controller = AnyPort(Mailbox(), "127.0.0.1", 0, ssl_context=server_tls)
    controller.start()
    try:
        tls = TlsPolicy(Security.ENCRYPT, implicit=True, check=Pinned(b"other"))
        failure = await refused_or_open(controller.port, tls)
        assert isinstance(failure, ConnectFailure)
        assert (failure.step, failure.reply.text) == (
            Step.STARTTLS,
            "TLS handshake failed: another certificate",
        )
    finally:
        controller.stop()


@pytest.mark.parametrize("security", [Security.NONE, Security.MAY])
def test_a_certificate_check_needs_tls(security: Security) -> None:
    with pytest.raises(ValueError, match="needs security encrypt or verify"):
        TlsPolicy(security, check=Pinned(b""))


async def test_a_connection_comes_from_the_address_that_the_route_names(peer, wait_until) -> None:
    host = await peer(PIPELINING)
    session = await opened(host.port, via={"sources": ("2001:db8::1", "127.0.0.77")})
    assert host.transports[0].get_extra_info("peername")[0] == "127.0.0.77"
    session.close()


async def test_an_address_that_is_not_ours_to_connect_from_is_a_failure_for_now(peer) -> None:
    host = await peer(PIPELINING)
    failure = await refused_or_open(host.port, via={"sources": ("192.0.2.1",)})
    assert isinstance(failure, ConnectFailure)
    assert (failure.step, failure.reply.enhanced, failure.own) == (Step.CONNECT, "4.4.1", True)


CREDENTIALS = LoginCredentials("alice", "secret")
AUTH = AFTER_TLS.replace("S: 250 PIPELINING", "S: 250 AUTH PLAIN") + "C: AUTH\nS: 235 Ok\n"


@pytest.mark.parametrize("written", ["submission://127.0.0.1", "smtp://127.0.0.1"])
async def test_a_password_never_goes_to_a_certificate_that_proves_nothing(peer, written: str) -> None:
    host = await peer(STARTTLS + "tls\n" + AUTH)
    hop = NextHop.parse(written)
    table = RouteTable({"*": hop}, {}, {"127.0.0.1": CREDENTIALS})
    tls = table.tls_policy("b.example", hop)
    via = {"credentials": table.credentials_of(hop, tls)}
    assert via["credentials"] == CREDENTIALS
    failure = await refused_or_open(host.port, tls, via=via)
    assert isinstance(failure, ConnectFailure)
    assert (failure.step, failure.reply.code, failure.reply.enhanced) == (Step.STARTTLS, 454, "4.7.5")
    assert "certificate" in failure.reply.text
    assert not [line for line in host.lines if line.startswith(b"AUTH")]
    assert host.connections == 1  # no second try in clear


async def test_a_password_goes_to_the_host_that_proves_its_name(peer, certificate: Path) -> None:
    host = await peer(STARTTLS + "tls\n" + AUTH)
    session = await opened(host.port, VERIFY, ca_file=certificate, via={"credentials": CREDENTIALS})
    session.close()
    assert [line for line in host.lines if line.startswith(b"AUTH")] == [
        b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
    ]


async def test_a_password_goes_to_any_certificate_where_the_hop_says_encrypt(peer) -> None:
    host = await peer(STARTTLS + "tls\n" + AUTH)
    hop = NextHop.parse("submission://mx.example?security=encrypt")
    table = RouteTable({"*": hop}, {}, {"mx.example": CREDENTIALS})
    tls = table.tls_policy("b.example", hop)
    session = await opened(host.port, tls, via={"credentials": table.credentials_of(hop, tls)})
    session.close()
    assert [line for line in host.lines if line.startswith(b"AUTH")]


@pytest.mark.parametrize(
    "offers", ["S: 250 AUTH PLAIN", "S: 250-STARTTLS\nS: 250 AUTH PLAIN\nC: STARTTLS\nS: 454 No"]
)
async def test_a_password_is_not_said_in_clear_when_tls_is_taken_away(peer, offers: str) -> None:
    host = await peer(OPENING + "S: 250-mx.example\n" + offers + "\nhang")
    failure = await refused_or_open(host.port, VERIFY, via={"credentials": CREDENTIALS})
    assert isinstance(failure, ConnectFailure)
    assert failure.step is Step.STARTTLS
    assert failure.reply.is_transient
    assert not [line for line in host.lines if line.startswith(b"AUTH")]


# Independent peers


class Mailbox:
    """A handler of aiosmtpd that keeps what it gets."""

    def __init__(self) -> None:
        self.envelopes: list = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("nobody"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.envelopes.append(envelope)
        return "250 2.0.0 Thanks"


class AnyPort(Controller):
    """aiosmtpd on a port that the system chooses."""

    protocol = None

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class LmtpController(AnyPort):
    def factory(self):
        return LMTP(self.handler, enable_SMTPUTF8=True)


OCTETS = b"".join(b"%d: .\r\n.%b\r\n" % (number, b"y" * (number % 90)) for number in range(30_000))


async def test_aiosmtpd_gets_the_same_octets(server_tls: ssl.SSLContext) -> None:
    mailbox = Mailbox()
    controller = AnyPort(mailbox, "127.0.0.1", 0, tls_context=server_tls, data_size_limit=None)
    controller.start()
    try:
        session = await opened(controller.port, TlsPolicy(Security.ENCRYPT))
        pieces = [OCTETS[start : start + 7777] for start in range(0, len(OCTETS), 7777)]
        for _ in range(2):
            done = await session.send(
                envelope("bob@b.example", "nobody@b.example", "bücher@b.example", size=len(OCTETS)),
                content(*pieces),
            )
            assert [each.reply.code for each in done.outcomes] == [250, 550, 250]
        session.close()
    finally:
        controller.stop()
    assert [each.original_content for each in mailbox.envelopes] == [OCTETS] * 2
    assert mailbox.envelopes[0].rcpt_tos == ["bob@b.example", "bücher@b.example"]


async def test_aiosmtpd_takes_our_login(server_tls: ssl.SSLContext) -> None:
    seen = []

    def authenticate(server, session, envelope, mechanism, data):
        seen.append((mechanism, bytes(data.login), bytes(data.password)))
        return AuthResult(success=data.password == b"secret", handled=False)

    controller = AnyPort(
        Mailbox(),
        "127.0.0.1",
        0,
        tls_context=server_tls,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    try:
        right = {"credentials": LoginCredentials("alice", "secret")}
        session = await opened(controller.port, TlsPolicy(Security.ENCRYPT), via=right)
        done = await session.send(envelope(), content(b"x\r\n"))
        assert done.outcomes[0].reply.code == 250
        session.close()
        wrong = {"credentials": LoginCredentials("alice", "wrong")}
        failure = await refused_or_open(controller.port, TlsPolicy(Security.ENCRYPT), via=wrong)
        assert isinstance(failure, ConnectFailure)
        assert (failure.step, failure.reply.code) == (Step.AUTH, 535)
    finally:
        controller.stop()
    assert ("PLAIN", b"alice", b"secret") in seen


async def test_aiosmtpd_answers_lmtp() -> None:
    mailbox = Mailbox()
    controller = LmtpController(mailbox, "127.0.0.1", 0)
    controller.start()
    try:
        session = await opened(controller.port, CLEAR, via={"dialect": Dialect.LMTP})
        done = await session.send(envelope(), content(b"x\r\n"))
        assert [each.reply.code for each in done.outcomes] == [250]
        session.close()
    finally:
        controller.stop()
    assert mailbox.envelopes[0].original_content == b"x\r\n"


async def test_tls_from_the_first_octet(server_tls: ssl.SSLContext, certificate: Path) -> None:
    mailbox = Mailbox()
    controller = AnyPort(mailbox, "127.0.0.1", 0, ssl_context=server_tls)
    controller.start()
    try:
        tls = TlsPolicy(Security.VERIFY, implicit=True)
        session = await opened(controller.port, tls, ca_file=certificate)
        assert session.tls
        done = await session.send(envelope(), content(b"x\r\n"))
        assert done.outcomes[0].reply.code == 250
        session.close()
        failure = await refused_or_open(controller.port, tls)
        assert isinstance(failure, ConnectFailure)
        assert (failure.step, failure.reply.enhanced) == (Step.STARTTLS, "4.7.5")
        login = {"credentials": LoginCredentials("alice", "secret")}
        failure = await refused_or_open(controller.port, tls, via=login)
        assert isinstance(failure, ConnectFailure)
        assert (failure.step, failure.reply.enhanced) == (Step.STARTTLS, "4.7.5")
    finally:
        controller.stop()
