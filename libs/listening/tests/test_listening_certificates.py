"""Certificates of listeners: read at the start, renewed while the process runs, chosen by server name."""

import asyncio
import shutil
import socket
import ssl

import pytest

from mailyard.listening.certificates import CertificateFiles, Certificates
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


async def test_the_server_name_chooses_the_certificate_and_an_unknown_one_gets_the_default(tmp_path, files):
    other = ensure_certificates(tmp_path / "other", ["mail.example.test"], now_utc())
    by_name = {"mail.example.test": CertificateFiles(other.certificate, other.key)}
    certificates = Certificates(files.certificate, files.key, 5, by_name)
    first = await _serial_seen(certificates, files.authority)
    assert await _serial_seen(certificates, other.authority, "mail.example.test") != first
    assert await _serial_seen(certificates, files.authority, "unknown.example.test") == first


async def test_each_certificate_is_renewed_for_itself(tmp_path, files):
    other = ensure_certificates(tmp_path / "other", ["mail.example.test"], now_utc())
    by_name = {"mail.example.test": CertificateFiles(other.certificate, other.key)}
    certificates = Certificates(files.certificate, files.key, 5, by_name)
    first = await _serial_seen(certificates, other.authority, "mail.example.test")
    renewed = ensure_certificates(tmp_path / "renewed", ["mail.example.test"], now_utc())
    shutil.copy(renewed.certificate, other.certificate)
    shutil.copy(renewed.key, other.key)
    await certificates.refresh()
    assert await _serial_seen(certificates, renewed.authority, "mail.example.test") != first
    await _serial_seen(certificates, files.authority)
