"""Behind a balancer: whose address counts, what a header opens and what it does not, and how waits end."""

import asyncio
import ssl
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from mailyard.listening.acceptor import Acceptor
from mailyard.listening.admission import Admission
from mailyard.listening.certificates import Certificates
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.local.certificates import ensure_certificates
from mailyard.smtp_in.listeners import ListenerName

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"
LINE_IPV6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n"
BLOCK = SIGNATURE + bytes.fromhex("21 11 000c c0000207 c6336401 dc04 0019")
HEALTH_CHECK = SIGNATURE + b"\x20\x00\x00\x00"
LOOPBACK_CLAIM = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
AS_ANN = "AUTH PLAIN AGFubkBvbmUudGVzdAByaWdodA=="
SECONDS = 10


def header_count(listener: str, outcome: str) -> float:
    labels = {"listener": listener, "outcome": outcome}
    return REGISTRY.get_sample_value("mailyard_proxy_headers_total", labels) or 0


def balancers(*networks: str, seconds: float = 5.0):
    return ProxySettings(proxy_networks=networks, proxy_header_seconds=seconds).proxies()


@pytest.fixture(autouse=True)
def behind_a_balancer(house):
    """Whoever calls from 127.0.0.1 is a balancer; 127.0.0.2 is not."""
    house.proxies = balancers("127.0.0.1/32")


@pytest.fixture
def tls(house, tmp_path):
    files = ensure_certificates(tmp_path / "tls", ["localhost"], datetime.now(UTC))
    house.certificates = Certificates(files.certificate, files.key, 5)
    return ssl.create_default_context(cafile=str(files.authority))


@pytest.fixture
def call(house):
    """Connect, say a header, read the banner, say hello; without a header nothing is said or read."""

    async def connect(listener, header=b"", source="127.0.0.1"):
        client = await house.client(listener, hello="", source=source)
        client.send(header)
        if header:
            assert (await client.reply())[:3] == "220"
            assert (await client.ask("EHLO client.test"))[0][:3] == "250"
        return client

    return connect


async def is_cut(client) -> bool:
    """Whether the server has closed without a word."""
    async with asyncio.timeout(SECONDS):
        try:
            return await client.reader.read() == b""
        except ConnectionResetError:  # octets that nobody read were behind
            return True


@pytest.mark.parametrize(
    ("header", "address"), [(LINE, "192.0.2.7"), (BLOCK, "192.0.2.7"), (LINE_IPV6, "IPv6:2001:db8::7")]
)
async def test_the_clients_address_is_in_the_received_field(house, call, header, address) -> None:
    client = await call(await house.open(), header)
    await client.envelope("ann@one.test")
    assert (await client.message("x"))[:3] == "250"
    assert f"[{address}]" in house.spool.prefix()
    assert "127.0.0.1" not in house.spool.prefix()


@pytest.mark.parametrize("name", [ListenerName.MX, ListenerName.LMTP])
async def test_header_and_commands_in_one_segment_are_told_apart(house, name) -> None:
    client = await house.client(await house.open(name), hello="")
    hello = b"LHLO" if name is ListenerName.LMTP else b"EHLO"
    client.send(BLOCK + hello + b" client.test\r\nMAIL FROM:<>\r\nRCPT TO:<ann@one.test>\r\n")
    assert [(await client.reply())[:3] for _ in range(4)] == ["220", "250", "250", "250"]


@pytest.mark.parametrize("header", [LINE, BLOCK])
async def test_a_header_comes_before_the_handshake(house, tls, header, call) -> None:
    client = await house.client(await house.open(ListenerName.SUBMISSIONS), hello="")
    for octet in header:
        client.send(bytes([octet]))
        await client.writer.drain()
    await client.writer.start_tls(tls, server_hostname="localhost")
    assert (await client.reply())[:3] == "220"
    await client.ask("EHLO client.test")
    assert (await client.ask(AS_ANN))[0][:3] == "235"
    assert house.logins.asked == [("ann@one.test", "192.0.2.7")]


async def test_a_handshake_right_behind_the_header_is_not_lost(house, tls) -> None:
    """The client hello comes in the same segment as the header."""
    listener = await house.open(ListenerName.SUBMISSIONS)
    client = await house.client(listener, hello="")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    client.send(LINE + outgoing.read())
    async with asyncio.timeout(SECONDS):
        while True:
            incoming.write(await client.reader.read(65_536))
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
        client.send(outgoing.read())
        incoming.write(await client.reader.read(65_536))
    assert session.version() == "TLSv1.3"


async def test_starttls_follows_a_header_as_ever(house, tls, call) -> None:
    client = await call(await house.open(), BLOCK)
    assert (await client.ask("STARTTLS"))[0][:3] == "220"
    await client.writer.start_tls(tls, server_hostname="localhost")
    await client.ask("EHLO client.test")
    await client.envelope("ann@one.test")
    await client.message("x")
    assert "[192.0.2.7]) (using TLSv1.3 TLS_" in house.spool.prefix()


@pytest.mark.parametrize(
    "name", [ListenerName.MX, ListenerName.SUBMISSION, ListenerName.SUBMISSIONS, ListenerName.LMTP]
)
@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        (b"EHLO client.test\r\nMAIL FROM:<>\r\n", "missing"),
        (b"\x16\x03\x01\x02\x00\x01", "missing"),
        (b"PROXY TCP4 1.2.3.4\r\n", "malformed"),
        (b"PROXY UNKNOWN " + b"x" * 5000, "malformed"),
        (SIGNATURE + b"\x21\x11\xff\xff", "malformed"),
    ],
)
async def test_a_balancer_without_a_right_header_is_cut_off(house, tls, name, octets, outcome) -> None:
    before = header_count(name, outcome)
    client = await house.client(await house.open(name), hello="")
    client.send(octets)
    assert await is_cut(client)
    assert header_count(name, outcome) == before + 1


async def test_a_silent_balancer_is_cut_off_in_time_and_holds_up_nobody(house, call) -> None:
    house.proxies = balancers("127.0.0.1/32", seconds=0.5)
    before = header_count("mx", "timed_out")
    listener = await house.open()
    silent = await call(listener)
    await call(listener, LINE)
    assert header_count("mx", "timed_out") == before
    assert await is_cut(silent)
    assert header_count("mx", "timed_out") == before + 1


async def test_others_are_greeted_at_once_and_their_headers_are_not_believed(house) -> None:
    client = await house.client(await house.open(), source="127.0.0.2")
    assert (await client.ask(LINE.decode().rstrip()))[0][:3] == "500"
    await client.envelope("ann@one.test")
    await client.message("x")
    assert "[127.0.0.2]" in house.spool.prefix()


async def test_nobody_is_read_for_a_header_where_no_balancer_is_set(house) -> None:
    house.proxies = balancers()
    listener = await house.open()
    assert not isinstance(listener._acceptors[0], Acceptor)
    client = await house.client(listener)
    assert (await client.ask(LINE.decode().rstrip()))[0][:3] == "500"


async def test_the_limit_for_one_address_holds_for_clients_and_not_for_the_balancer(house, call) -> None:
    house.admission = Admission(100, 1)
    listener = await house.open()
    first = await call(listener, LINE)
    await call(listener, LINE_IPV6)
    await call(listener, HEALTH_CHECK)
    await call(listener, HEALTH_CHECK)
    refused = await house.client(listener, hello="")
    refused.send(BLOCK)
    assert await refused.reply() == "421 4.7.0 Too many connections from your address"
    assert await is_cut(refused)
    await first.ask("QUIT")
    assert await first.ended()
    await call(listener, LINE)


async def test_the_limit_for_all_holds_for_those_that_wait_too(house, call, eventually) -> None:
    house.admission = Admission(4, 0)
    listener = await house.open()
    waiting = [await call(listener) for _ in range(2)]
    await eventually(lambda: house.admission._total == 2)
    third = await call(listener)
    assert await is_cut(third)
    for client in waiting:
        client.send(LINE)
        assert (await client.reply())[:3] == "220"
    await call(listener, LINE)
    await call(listener, LINE)
    assert await is_cut(await call(listener))
    assert house.admission._total == 4


@pytest.mark.parametrize("header", [LOOPBACK_CLAIM, HEALTH_CHECK, b"PROXY UNKNOWN\r\n", LINE])
async def test_nobody_logs_in_in_clear_by_way_of_a_balancer(house, call, header) -> None:
    client = await call(await house.open(ListenerName.SUBMISSION, plaintext_auth=True), header)
    assert (await client.ask(AS_ANN))[0][:3] != "235"
    assert house.logins.asked == []


async def test_a_client_on_this_machine_still_logs_in_in_clear_beside_a_balancer(house) -> None:
    client = await house.client(
        await house.open(ListenerName.SUBMISSION, plaintext_auth=True), source="127.0.0.2"
    )
    assert (await client.ask(AS_ANN))[0][:3] == "235"


@pytest.mark.parametrize("header", [LOOPBACK_CLAIM, HEALTH_CHECK, LINE])
async def test_no_address_that_a_header_claims_makes_the_mx_relay(house, call, header) -> None:
    client = await call(await house.open(), header)
    assert (await client.envelope("x@elsewhere.test"))[1] == "550 5.7.1 Relaying denied"


async def test_no_address_makes_the_mx_relay_and_a_balancer_without_a_header_says_nothing(house) -> None:
    listener = await house.open()
    neighbour = await house.client(listener, source="127.0.0.2")
    assert (await neighbour.envelope("x@elsewhere.test"))[1] == "550 5.7.1 Relaying denied"
    balancer = await house.client(listener, hello="")
    balancer.send(b"EHLO a.test\r\nMAIL FROM:<x@there.test>\r\nRCPT TO:<x@elsewhere.test>\r\nDATA\r\n")
    assert await is_cut(balancer)
    assert house.spool.accepted == []


async def test_draining_ends_the_waits_and_says_farewell_to_the_rest(house, call) -> None:
    before = header_count("mx", "stopped")
    listener = await house.open()
    waiting, idle = await call(listener), await call(listener, LINE)
    waiting.send(LINE[:10])
    async with asyncio.timeout(SECONDS):
        await listener.drain()
    assert await idle.reply() == "421 4.3.2 Server is shutting down, please connect again"
    assert await is_cut(waiting)
    assert header_count("mx", "stopped") == before + 1
    assert house.admission._total == 0


async def test_closing_ends_the_waits_before_a_handshake(house, tls, call, eventually) -> None:
    listener = await house.open(ListenerName.SUBMISSIONS)
    waiting, shaking = await call(listener), await call(listener)
    shaking.send(LINE)
    await eventually(lambda: len(listener._connections) == 1)
    await listener.close()
    assert await is_cut(waiting)
    assert await is_cut(shaking)
    await eventually(lambda: house.admission._total == 0)
