"""The acceptor outlives sockets that cannot be accepted, and handshakes that do not end."""

import asyncio
import errno
import socket

import pytest

from mailyard.listening.acceptor import Acceptor
from mailyard.listening.address import ClientAddress
from mailyard.listening.admission import Admission
from mailyard.listening.certificates import Certificates
from mailyard.listening.proxy import ProxyAcceptor
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc

SECONDS = 10


class Connection(asyncio.Protocol):
    """The part of a connection that an acceptor uses."""

    connecting = None

    def __init__(self, refusal=None):
        self.refusal = refusal
        self.client = ClientAddress("")
        self.ends = 0

    def admit(self, client):
        self.client = client
        return self.refusal

    def connection_made(self, transport):
        transport.write(b"hello\n")

    def end(self):
        self.ends += 1


class Factory:
    """Counts what an acceptor reports."""

    def __init__(self):
        self.failures, self.handshakes = [], asyncio.Queue()

    def accept_failed(self, error):
        self.failures.append(error.errno)

    def handshake_ended(self, client, error):
        self.handshakes.put_nowait((client.ip, error))


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


def acceptor(listening, factory, connection, certificates=None):
    proxy = ProxyAcceptor("acceptor", ProxySettings(), Admission(10, 0))
    return Acceptor(listening, proxy, certificates, lambda: connection, factory)


async def test_too_many_open_files_are_reported_and_accepting_goes_on_after_a_pause(listening, monkeypatch):
    loop, factory = asyncio.get_running_loop(), Factory()
    accept, errors = loop.sock_accept, [errno.EMFILE, errno.ECONNABORTED]

    async def failing(sock):
        if errors:
            raise OSError(errors.pop(0), "injected")
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", failing)
    monkeypatch.setattr("mailyard.listening.acceptor._PAUSE_SECONDS", 0.01)
    accepting = acceptor(listening, factory, Connection())
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        assert await reader.readline() == b"hello\n"
    assert factory.failures == [errno.EMFILE, errno.ECONNABORTED]
    writer.close()
    accepting.close()


async def test_a_refused_client_in_clear_reads_the_refusal_and_then_the_end(listening):
    accepting = acceptor(listening, Factory(), Connection(b"421 no\r\n"))
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        assert await reader.read() == b"421 no\r\n"
    writer.close()
    accepting.close()


@pytest.fixture
def certificates(tmp_path):
    files = ensure_certificates(tmp_path, ["localhost"], now_utc())
    return Certificates(files.certificate, files.key, 0.2)


async def test_a_client_that_is_silent_in_its_handshake_ends_after_the_time_of_the_setting(
    listening, certificates
):
    factory, connection = Factory(), Connection()
    accepting = acceptor(listening, factory, connection, certificates)
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        client, error = await factory.handshakes.get()
        assert await reader.read() == b""
    assert client == "127.0.0.1"
    assert isinstance(error, OSError)
    assert (connection.ends, connection.connecting) == (1, None)
    writer.close()
    accepting.close()


async def test_closing_breaks_off_a_handshake_reports_it_and_frees_the_connection(listening, certificates):
    factory, connection = Factory(), Connection()
    accepting = acceptor(listening, factory, connection, certificates)
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        while connection.connecting is None:  # noqa: ASYNC110  # an attribute has no event
            await asyncio.sleep(0.002)
        accepting.close()
        _, error = await factory.handshakes.get()
        assert await reader.read() == b""
    assert isinstance(error, ConnectionAbortedError)
    assert connection.ends == 1
    writer.close()
