"""One listener for all protocols: admission, PROXY headers, TLS, the limit without a login, drain and close."""

import asyncio
import socket
import ssl
import time

import pytest
import uvloop
from prometheus_client import REGISTRY, Gauge

from mailyard.listening.admission import Admission, ConnectionLimit
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.certificates import Certificates
from mailyard.listening.connection import ClientConnection
from mailyard.listening.listener import ConnectionFactory, Listener, ListenerResources
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.listening.states import ConnectionState
from mailyard.listening.unauthenticated import UnauthenticatedConnections
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
SECONDS = 10
ANYWHERE = Endpoint("127.0.0.1", 0)
OPEN = Gauge("test_listening_open_connections", "Open connections.", ["listener"])


class Connection(ClientConnection, asyncio.Protocol):
    """Greets with the client's address; `login` counts as one; says `bye` when the service stops."""

    is_busy = False

    def opened(self):
        self._transport.write(f"hello {self.client.ip}\n".encode())

    def data_received(self, data):
        if data == b"login":
            self._owner.authenticated(self)
            self._transport.write(b"welcome\n")
        elif data == b"work":
            self.is_busy = True
            self._transport.write(b"working\n")

    def shut_down(self):
        self.enter(ConnectionState.DRAINING)
        if not self.is_busy:
            self.finish()

    def finish(self):
        self._transport.write(b"bye\n")
        self._transport.close()

    def connection_lost(self, _error):
        self.end()


class Factory(ConnectionFactory):
    listening_event = "test.listening"
    accept_failed_event = "test.accept_failed"
    last_words = b"too slow\n"

    def __init__(self, label="echo"):
        self.label = label
        self.open_connections = OPEN.labels(label)
        self.counted, self.handshakes, self.made, self.checks = [], [], [], 0

    def connection(self, owner):
        self.made.append(Connection(owner))
        return self.made[-1]

    def count(self, limit):
        self.counted.append(limit)

    def refusal(self, limit):
        return f"no: {limit.value}\n".encode()

    def check(self, connections, now, *, is_busy):
        self.checks += 1

    def handshake_ended(self, client, error):
        self.handshakes.append(error)


@pytest.fixture
async def listening():
    """Start listeners; each is closed at the end."""
    started = []

    async def start(factory=None, *, most=10, per_address=0, tls_first=False, **resources):
        resources = {"memory": MemoryBudget(10_000)} | resources
        shared = ListenerResources(Admission(most, per_address), **resources)
        listener = Listener(factory or Factory(), [ANYWHERE], shared, tls_first=tls_first)
        await listener.start()
        started.append(listener)
        return listener

    yield start
    for listener in started:
        await listener.close()


@pytest.fixture
def certificates(tmp_path):
    files = ensure_certificates(tmp_path, ["localhost"], now_utc())
    return Certificates(files.certificate, files.key, 5), ssl.create_default_context(
        cafile=str(files.authority)
    )


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def line(self):
        async with asyncio.timeout(SECONDS):
            return (await self.reader.readline()).decode().rstrip()

    async def rest(self):
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


async def connect(listener, octets=b"", tls=None):
    named = {"ssl": tls, "server_hostname": "localhost"} if tls else {}
    client = Client(*await asyncio.open_connection(*listener.addresses[0], **named))
    client.writer.write(octets)
    return client


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.005)


async def test_a_connection_is_greeted_counted_and_forgotten(listening):
    factory = Factory("counted")
    listener = await listening(factory)
    client = await connect(listener)
    assert await client.line() == "hello 127.0.0.1"
    assert REGISTRY.get_sample_value("test_listening_open_connections", {"listener": "counted"}) == 1
    assert factory.counted == [None]
    client.writer.close()
    await until(lambda: not listener._connections)
    assert REGISTRY.get_sample_value("test_listening_open_connections", {"listener": "counted"}) == 0
    assert listener._resources.admission._total == 0


@pytest.mark.parametrize(
    ("limits", "limit"), [({"most": 1}, ConnectionLimit.TOTAL), ({"per_address": 1}, ConnectionLimit.ADDRESS)]
)
async def test_a_connection_beyond_a_limit_is_told_which(listening, limits, limit):
    factory = Factory()
    listener = await listening(factory, **limits)
    first = await connect(listener)
    await first.line()
    refused = await connect(listener)
    assert await refused.line() == f"no: {limit.value}"
    assert await refused.rest() == b""
    assert factory.counted == [None, limit]
    first.writer.close()
    await until(lambda: not listener._connections)
    assert await (await connect(listener)).line() == "hello 127.0.0.1"


async def test_accepted_connections_are_kept_alive(listening):
    listener = await listening()
    client = await connect(listener)
    assert await client.line() == "hello 127.0.0.1"
    [connection] = listener._connections
    accepted = connection._transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_the_client_of_a_load_balancer_is_named_by_its_header(listening):
    proxies = ProxySettings(proxy_networks=("127.0.0.1/32",)).proxies()
    listener = await listening(Factory("proxied"), proxies=proxies)
    client = await connect(listener, b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n")
    assert await client.line() == "hello 192.0.2.7"


async def test_tls_comes_before_the_greeting_and_each_handshake_is_reported(listening, certificates):
    served, trust = certificates
    factory = Factory()
    listener = await listening(factory, tls_first=True, certificates=served)
    client = await connect(listener, tls=trust)
    assert await client.line() == "hello 127.0.0.1"
    assert factory.handshakes == [None]
    plain = await connect(listener, b"hello?\r\n")
    assert b"hello" not in await plain.rest()
    await until(lambda: len(factory.handshakes) == 2)
    assert isinstance(factory.handshakes[1], OSError)
    assert len(listener._connections) == 1


async def test_a_refused_client_that_waits_for_tls_gets_no_clear_text(listening, certificates):
    served, _ = certificates
    listener = await listening(tls_first=True, certificates=served, most=1)
    shaking = await connect(listener)
    await until(lambda: len(listener._connections) == 1)
    assert await (await connect(listener)).rest() == b""
    assert not shaking.reader.at_eof()


async def test_the_oldest_connection_without_a_login_ends_for_a_new_one(listening):
    unauthenticated = UnauthenticatedConnections(2, time.monotonic, seconds=0)
    factory = Factory()
    listener = await listening(factory, unauthenticated=unauthenticated)
    user, silent = await connect(listener, b"login"), await connect(listener)
    assert [await user.line() for _ in range(2)] == ["hello 127.0.0.1", "welcome"]
    await silent.line()
    other = await connect(listener)
    await other.line()
    new = await connect(listener)
    assert await new.line() == "hello 127.0.0.1"
    assert await silent.line() == "too slow"
    assert factory.counted.count(ConnectionLimit.UNAUTHENTICATED) == 1
    await until(lambda: len(listener._connections) == 3)
    assert listener._resources.admission._total == 3


async def test_a_silent_handshake_ends_for_a_new_connection_and_gives_its_place_once(listening, certificates):
    served, trust = certificates
    unauthenticated = UnauthenticatedConnections(1, time.monotonic, seconds=0)
    listener = await listening(tls_first=True, certificates=served, unauthenticated=unauthenticated)
    silent = await connect(listener)
    await until(lambda: len(listener._connections) == 1)
    client = await connect(listener, tls=trust)
    assert await client.line() == "hello 127.0.0.1"
    assert await silent.rest() == b""
    await until(lambda: len(listener._connections) == 1)
    assert listener._resources.admission._total == 1


async def test_a_new_connection_is_refused_where_all_without_a_login_have_just_come(listening):
    unauthenticated = UnauthenticatedConnections(1, time.monotonic, seconds=60)
    listener = await listening(unauthenticated=unauthenticated)
    first = await connect(listener)
    assert await first.line() == "hello 127.0.0.1"
    assert await (await connect(listener)).line() == "no: unauthenticated"
    assert listener._connections
    assert listener._resources.admission._total == 1


async def test_drain_waits_for_connections_with_work_in_hand(listening):
    listener = await listening()
    idle, busy = await connect(listener), await connect(listener, b"work")
    await idle.line()
    assert [await busy.line() for _ in range(2)] == ["hello 127.0.0.1", "working"]
    [working] = [each for each in listener._connections if each.is_busy]
    draining = asyncio.create_task(listener.drain())
    assert await idle.line() == "bye"
    assert listener.addresses == []
    assert not draining.done()
    working.finish()
    assert await busy.line() == "bye"
    async with asyncio.timeout(SECONDS):
        await draining


async def test_close_cuts_what_is_left(listening, certificates):
    served, _ = certificates
    plain, secured = await listening(), await listening(tls_first=True, certificates=served)
    opened, shaking = await connect(plain), await connect(secured)
    await opened.line()
    await until(lambda: len(secured._connections) == 1)
    async with asyncio.timeout(SECONDS):
        await plain.close()
        await secured.close()
    assert (await opened.rest(), await shaking.rest()) == (b"", b"")
    assert not plain._connections | secured._connections


async def test_a_listener_is_ready_while_it_listens_and_checks(listening):
    factory = Factory()
    listener = await listening(factory)
    assert listener.not_ready_reason() is None
    await until(lambda: factory.checks > 0)
    listener._checking.cancel()
    await until(lambda: listener.not_ready_reason() == "slow clients are not looked after any more")
    await listener.drain()


async def test_an_endpoint_in_use_is_named(listening):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        resources = ListenerResources(Admission(1, 0), MemoryBudget(1_000))
        listener = Listener(Factory(), [Endpoint("127.0.0.1", port)], resources)
        with pytest.raises(OSError, match=f"listener-echo cannot listen at 127.0.0.1:{port}"):
            await listener.start()
