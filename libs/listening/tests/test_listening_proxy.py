"""Who calls: directly, by a balancer, or a balancer for itself; and what becomes of a balancer without a header."""

import asyncio
import socket

import pytest
import uvloop
from prometheus_client import REGISTRY
from pydantic import ValidationError

from mailyard.listening.address import ClientAddress, address_of
from mailyard.listening.admission import Admission, ConnectionLimit
from mailyard.listening.proxy import ProxyAcceptor, read_header
from mailyard.listening.proxynetworks import ProxyNetworks, ProxySettings
from mailyard.proxyprotocol.header import Malformed, NotAHeader

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
SECONDS = 10
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n"
BLOCK = SIGNATURE + bytes.fromhex("21 11 000c c0000207 c6336401 dc04 0019")
MAPPED = SIGNATURE + b"\x21\x21\x00\x24" + (bytes(10) + b"\xff\xff\xc0\x00\x02\x07") * 2 + b"\x00\x01\x00\x02"
HEALTH_CHECK = SIGNATURE + b"\x20\x00\x00\x00"
LOOPBACK_CLAIM = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"
BALANCERS = ProxySettings(proxy_networks=("127.0.0.0/8", "2001:db8::/64")).proxies()
PEER = ("127.0.0.1", 50_000)
PROXIED = ClientAddress("192.0.2.7", is_direct=False)
NOBODY = ClientAddress("127.0.0.1", is_direct=False, is_named=False)


@pytest.fixture
def pair():
    """A connection as it was accepted, and its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
    near.setblocking(False)
    far.settimeout(SECONDS)
    with near, far:
        yield near, far


def is_closed(far: socket.socket) -> bool:
    try:
        return far.recv(1) == b""
    except ConnectionResetError:
        return True


def sample(outcome: str, listener: str) -> float | None:
    labels = {"listener": listener, "outcome": outcome}
    return REGISTRY.get_sample_value("mailyard_proxy_headers_total", labels)


def count(outcome: str, listener: str) -> float:
    return sample(outcome, listener) or 0


async def met(
    connection, balancers=BALANCERS, admission=None, peer=PEER, listener="test"
) -> ClientAddress | None:
    """The caller that is welcomed, or None once the connection has been closed."""
    future: asyncio.Future[ClientAddress | None] = asyncio.get_running_loop().create_future()
    introductions = ProxyAcceptor(listener, balancers, admission or Admission(10, 0))
    introductions.accept(connection, peer, lambda _, caller: future.set_result(caller))
    async with asyncio.timeout(SECONDS):
        while not future.done() and connection.fileno() >= 0:  # noqa: ASYNC110  # a closed socket tells nobody
            await asyncio.sleep(0.002)
    return future.result() if future.done() else None


@pytest.mark.parametrize("header", [LINE, BLOCK, MAPPED])
@pytest.mark.parametrize("rest", [b"", b"EHLO client.test\r\n", b"\x16\x03\x01" + bytes(6000)])
async def test_a_header_is_taken_and_what_follows_stays_in_the_socket(pair, header, rest):
    near, far = pair
    far.sendall(header + rest)
    assert await met(near) == PROXIED
    near.settimeout(SECONDS)
    far.sendall(b".")
    assert near.recv(len(rest) + 1, socket.MSG_WAITALL) == rest + b"."


@pytest.mark.parametrize("header", [LINE, BLOCK, HEALTH_CHECK])
async def test_a_header_may_come_octet_by_octet(pair, header):
    near, far = pair
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reading = asyncio.create_task(read_header(near))
    for octet in header:
        assert not reading.done()
        far.send(bytes([octet]))
        await asyncio.sleep(0.001)
    far.send(b"220")
    assert (await asyncio.wait_for(reading, SECONDS)).size == len(header)
    near.settimeout(SECONDS)
    assert near.recv(10) == b"220"


@pytest.mark.parametrize("header", [HEALTH_CHECK, b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\x00\x00\x00"])
async def test_a_balancer_that_names_nobody_keeps_its_address_and_is_nobody(pair, header):
    near, far = pair
    far.sendall(header)
    caller = await met(near)
    assert caller == NOBODY
    assert (caller.counted_ip, caller.is_on_loopback) == (None, False)


async def test_a_header_that_claims_a_loopback_address_does_not_make_it_local(pair):
    near, far = pair
    far.sendall(LOOPBACK_CLAIM)
    caller = await met(near)
    assert caller == ClientAddress("127.0.0.1", is_direct=False)
    assert not caller.is_on_loopback


async def test_a_caller_from_elsewhere_is_welcomed_at_once_and_its_octets_are_not_read(pair):
    near, far = pair
    far.sendall(LINE)
    welcomed = []
    introductions = ProxyAcceptor("test", BALANCERS, Admission(10, 0))
    introductions.accept(near, ("203.0.113.9", 1), lambda _, caller: welcomed.append(caller))
    assert welcomed == [ClientAddress("203.0.113.9")]
    near.settimeout(SECONDS)
    assert near.recv(200) == LINE


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        (b"EHLO client.test\r\n", "missing"),
        (b"\x16\x03\x01\x02\x00", "missing"),
        (b"PROXY TCP4 x y 1 2\r\n", "malformed"),
        (b"PROXY UNKNOWN " + b"x" * 200, "malformed"),
        (SIGNATURE + b"\x21\x11\xff\xff", "malformed"),
        (SIGNATURE + b"\x31", "malformed"),
    ],
)
async def test_without_a_right_header_the_connection_is_closed_and_counted(pair, octets, outcome):
    near, far = pair
    far.sendall(octets)
    before = count(outcome, "refusals")
    assert await met(near, listener="refusals") is None
    assert is_closed(far)
    assert count(outcome, "refusals") == before + 1


def test_what_has_not_happened_is_shown_as_0_where_there_are_balancers_and_not_elsewhere():
    ProxyAcceptor("fresh", BALANCERS, Admission(10, 0))
    ProxyAcceptor("none", ProxyNetworks(), Admission(10, 0))
    assert [sample(each, "fresh") for each in ("proxied", "missing", "crowded")] == [0, 0, 0]
    assert sample("proxied", "none") is None


@pytest.mark.parametrize("octets", [b"", b"PROXY TCP4 192.0.2.7", SIGNATURE])
async def test_a_header_that_does_not_come_in_time_ends_the_connection(pair, octets):
    near, far = pair
    far.sendall(octets)
    before = count("timed_out", "late")
    assert await met(near, ProxyNetworks(BALANCERS.networks, 0.05), listener="late") is None
    assert is_closed(far)
    assert count("timed_out", "late") == before + 1


async def test_dripping_octets_do_not_extend_the_time(pair):
    near, far = pair
    before = count("timed_out", "drip")
    welcome = asyncio.create_task(met(near, ProxyNetworks(BALANCERS.networks, 0.1), listener="drip"))
    for octet in b"PROXY UNKNOWN " + b"x" * 90:
        if welcome.done():
            break
        far.send(bytes([octet]))
        await asyncio.sleep(0.01)
    assert await welcome is None
    assert count("timed_out", "drip") == before + 1


async def test_a_balancer_that_only_looks_whether_somebody_listens_is_counted(pair):
    near, far = pair
    before = count("gone", "look")
    far.close()
    assert await met(near, listener="look") is None
    assert count("gone", "look") == before + 1


async def test_who_waits_has_a_place_and_at_most_half_of_all_wait(pair):
    near, far = pair
    admission = Admission(4, 0)
    assert admission.reserve()
    assert admission.reserve()
    assert not admission.reserve()
    before = count("crowded", "crowd")
    assert await met(near, admission=admission, listener="crowd") is None
    assert is_closed(far)
    assert count("crowded", "crowd") == before + 1
    admission.release()
    assert [admission.admit(each) for each in ("a", None, "b", "c")] == [
        None,
        None,
        None,
        ConnectionLimit.TOTAL,
    ]


async def test_a_wait_gives_its_place_back_just_before_the_welcome(pair):
    near, far = pair
    admission, said = Admission(1, 1), []
    far.sendall(LINE)
    introductions = ProxyAcceptor("place", BALANCERS, admission)
    done = asyncio.Event()

    def welcome(_, caller: ClientAddress) -> None:
        said.append(admission.admit(caller.counted_ip))
        done.set()

    introductions.accept(near, PEER, welcome)
    assert admission.admit("a") is ConnectionLimit.TOTAL
    await asyncio.wait_for(done.wait(), SECONDS)
    assert said == [None]
    assert admission.admit("b") is ConnectionLimit.TOTAL


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_closing_ends_the_waits_whether_they_have_begun_or_not(pair, turns):
    near, far = pair
    admission = Admission(2, 0)
    introductions = ProxyAcceptor("stop", BALANCERS, admission)
    before = count("stopped", "stop")
    introductions.accept(near, PEER, lambda *_: pytest.fail("welcomed after the end"))
    for _ in range(turns):
        await asyncio.sleep(0)
    far.sendall(LINE)
    introductions.close()
    async with asyncio.timeout(SECONDS):
        while count("stopped", "stop") == before:  # noqa: ASYNC110  # a counter tells nobody
            await asyncio.sleep(0.002)
    assert is_closed(far)
    assert [admission.admit("a"), admission.admit("a")] == [None, None]


@pytest.mark.parametrize(("octets", "error"), [(b"HELO", NotAHeader), (b"PROXY \r\n", Malformed)])
async def test_errors_of_the_octets_are_told_apart(pair, octets, error):
    near, far = pair
    far.sendall(octets)
    with pytest.raises(error):
        await asyncio.wait_for(read_header(near), SECONDS)


async def test_urgent_octets_within_a_header_are_no_way_past_it(pair):
    near, far = pair
    far.sendall(LINE[:10])
    far.send(b"!", socket.MSG_OOB)
    far.sendall(LINE[10:] + b"rest")
    assert (await asyncio.wait_for(read_header(near), SECONDS)).size == len(LINE)
    near.settimeout(SECONDS)
    assert near.recv(10) == b"rest"


def test_a_client_on_this_machine_is_local_only_when_it_calls_directly():
    assert address_of(("127.0.0.1", 1)).is_on_loopback
    assert address_of(("::1", 1)).is_on_loopback
    assert address_of(("::ffff:127.0.0.1", 1)) == ClientAddress("127.0.0.1")
    assert not address_of(("192.0.2.1", 1)).is_on_loopback
    assert not address_of(None).is_on_loopback


@pytest.mark.parametrize(
    ("address", "is_balancer"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("2001:db8::5", True),
        ("2001:db8:0:1::5", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_balancers_are_known_by_their_networks(address, is_balancer):
    assert BALANCERS.include(address_of((address, 1))) is is_balancer


def test_nobody_is_a_balancer_where_none_is_set():
    assert ProxySettings().proxies() == ProxyNetworks((), 5.0)
    assert not ProxyNetworks().include(ClientAddress("127.0.0.1"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("10.0.0.0/33", "no network like"),
        ("10.0.0.1/24", "has host bits set"),
        ("balancer", "no network like"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
    ],
)
def test_networks_that_cannot_be_meant_stop_the_start(text, advice):
    with pytest.raises(ValidationError, match=advice):
        ProxySettings(proxy_networks=(text,))
