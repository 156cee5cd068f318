"""Certificates of listeners: read at the start, renewed while the process runs, chosen by server name."""

import asyncio
import shutil
import socket
import ssl
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from mailyard.listening.certificates import Certificates
from mailyard.listening.x509 import expiry_of
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Misconfigured


@pytest.fixture
def files(tmp_path):
    return ensure_certificates(tmp_path, ["localhost"], now_utc())


def test_a_certificate_that_is_none_is_misconfigured(tmp_path, files):
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(Misconfigured, match=r"cannot use certificate .*none\.pem"):
        Certificates(tmp_path / "none.pem", files.key, 5)


class _Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


async def _serial_seen(certificates, authority, name="localhost"):
    """Serve one TLS connection; the serial number that its client is shown."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        client = asyncio.create_task(asyncio.to_thread(_connect, listening.getsockname()[1], authority, name))
        connection, _ = await loop.sock_accept(listening)
        await certificates.accept(connection, _Greeter())
        return await client


def _connect(port, authority, name):
    context = ssl.create_default_context(cafile=str(authority))
    context.check_hostname = False  # which certificate is shown is what the tests compare
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        assert secured.recv(5) == b"hello"
        return secured.getpeercert()["serialNumber"]


async def test_a_renewed_certificate_is_used_and_a_broken_one_is_not(tmp_path, files):
    certificates = Certificates(files.certificate, files.key, 5)
    first = await _serial_seen(certificates, files.authority)
    other = ensure_certificates(tmp_path / "other", ["localhost"], now_utc())
    files.certificate.write_text("broken")
    await certificates.refresh()
    assert await _serial_seen(certificates, files.authority) == first
    shutil.copy(other.certificate, files.certificate)
    shutil.copy(other.key, files.key)
    await certificates.refresh()
    assert await _serial_seen(certificates, other.authority) != first


def _expiry_shown():
    return REGISTRY.get_sample_value("mailyard_certificate_expiry_timestamp_seconds")


async def test_the_metric_shows_the_certificate_that_ends_first_also_after_a_renewal(tmp_path, files):
    late = ensure_certificates(tmp_path / "late", ["late.test"], now_utc() + timedelta(days=10))
    host = tmp_path / "hosts" / "late"
    host.mkdir(parents=True)
    shutil.copy(late.certificate, host / "tls.crt")
    shutil.copy(late.key, host / "tls.key")
    certificates = Certificates(files.certificate, files.key, 5, folder=tmp_path / "hosts")
    assert _expiry_shown() == expiry_of(files.certificate).timestamp()
    later = ensure_certificates(tmp_path / "later", ["localhost"], now_utc() + timedelta(days=20))
    shutil.copy(later.certificate, files.certificate)
    shutil.copy(later.key, files.key)
    await certificates.refresh()
    assert _expiry_shown() == expiry_of(late.certificate).timestamp()


async def test_a_certificate_whose_file_is_gone_stays_in_use(files):
    certificates = Certificates(files.certificate, files.key, 5)
    files.certificate.unlink()
    assert not await certificates.refresh()
    assert await _serial_seen(certificates, files.authority)


def test_a_key_of_another_certificate_is_misconfigured(tmp_path, files):
    other = ensure_certificates(tmp_path / "other", ["localhost"], now_utc())
    with pytest.raises(Misconfigured, match="check the settings"):
        Certificates(files.certificate, other.key, 5)


class _Starter(asyncio.Protocol):
    """Begins the handshake of STARTTLS when the client says so; greets when it is over."""

    def __init__(self, certificates):
        self.certificates, self.outcome = certificates, asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        assert data == b"STARTTLS"
        self.transport.write(b"go on")
        self.transport.pause_reading()
        self.task = asyncio.create_task(self._secure())

    async def _secure(self):
        try:
            secured = await self.certificates.secure(self.transport, self)
        except OSError as error:
            self.outcome.set_result(error)
        else:
            secured.write(b"hello")
            self.outcome.set_result(None)


async def _starter(certificates, talk):
    """Serve one connection for the client `talk`; what came of its handshake."""
    loop = asyncio.get_running_loop()
    starter = _Starter(certificates)
    server = await loop.create_server(lambda: starter, "127.0.0.1", 0)
    async with asyncio.timeout(10):
        await asyncio.to_thread(talk, server.sockets[0].getsockname()[1])
        outcome = await starter.outcome
    server.close()
    return outcome


async def test_an_open_connection_is_secured_and_goes_on_under_tls(files):
    context = ssl.create_default_context(cafile=str(files.authority))

    def talk(port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"STARTTLS")
            assert plain.recv(5) == b"go on"
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                assert secured.recv(5) == b"hello"

    assert await _starter(Certificates(files.certificate, files.key, 5), talk) is None


@pytest.mark.parametrize("octets", [b"", b"EHLO in clear\r\n"])
async def test_a_client_that_leaves_or_speaks_in_clear_ends_the_handshake_with_an_error(files, octets):
    def talk(port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"STARTTLS")
            assert plain.recv(5) == b"go on"
            plain.sendall(octets)

    assert isinstance(await _starter(Certificates(files.certificate, files.key, 5), talk), OSError)
