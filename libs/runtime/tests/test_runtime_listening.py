"""What listeners share: endpoints, admission, certificates."""

import asyncio
import shutil
import socket
import ssl

import pytest

from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.admission import Admission, Crowded, raise_file_limit
from mailyard.runtime.certificates import Certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:143", "0.0.0.0", 143), ("[::1]:993", "::1", 993), ("mail:0", "mail", 0)],
)
def test_endpoints_are_read_and_written(text, host, port):
    assert Endpoint.parse(text) == (host, port)
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize("text", ["143", "host", "host:", "::1:143", "host:65536", "[::1]", ""])
def test_texts_that_are_no_endpoint_are_refused(text):
    with pytest.raises(ValueError, match="is not host:port"):
        Endpoint.parse(text)


def test_so_many_in_all_and_so_many_from_one_address():
    admission = Admission(3, 2)
    assert [admission.refusal(each) for each in ("a", "a", "a", "b", "c")] == [
        None,
        None,
        Crowded.ADDRESS,
        None,
        Crowded.TOTAL,
    ]
    admission.gone("a")
    assert admission.refusal("a") is None


@pytest.mark.parametrize(
    ("addresses", "counted"),
    [
        (("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"), True),
        (("2001:db8::1", "2001:db8:0:1::1"), False),
        (("192.0.2.1", "192.0.2.2"), False),
        (("::ffff:192.0.2.1", "192.0.2.1"), True),
        (("fe80::1%eth0", "fe80::2%eth1"), True),
        (("no address", "no address"), True),
    ],
)
def test_an_ipv6_client_counts_by_its_network_and_an_ipv4_client_by_its_address(addresses, counted):
    admission = Admission(100, 1)
    refusals = [admission.refusal(address) for address in addresses]
    assert refusals == [None] + [Crowded.ADDRESS if counted else None] * (len(addresses) - 1)
    for address, refusal in zip(addresses, refusals, strict=True):
        if refusal is None:
            admission.gone(address)
    assert not admission._open


def test_how_much_of_an_ipv6_address_counts_is_set():
    admission = Admission(100, 1, ipv6_prefix=128)
    assert [admission.refusal(f"2001:db8::{number}") for number in range(3)] == [None] * 3
    admission = Admission(100, 1, ipv6_prefix=48)
    assert admission.refusal("2001:db8:1:2::1") is None
    assert admission.refusal("2001:db8:1:3::1") is Crowded.ADDRESS


def test_one_address_has_no_limit_where_none_is_set():
    admission = Admission(100, 0)
    assert all(admission.refusal("a") is None for _ in range(100))


def test_there_is_room_for_no_more_connections_than_files():
    assert 1 <= raise_file_limit(10**9) < 10**9
    assert raise_file_limit(1) == 1


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


async def _serial_seen(certificates, authority):
    """Serve one TLS connection; the serial number that its client is shown."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        client = asyncio.create_task(asyncio.to_thread(_connect, listening.getsockname()[1], authority))
        connection, _ = await loop.sock_accept(listening)
        await certificates.accept(connection, _Greeter())
        return await client


def _connect(port, authority):
    context = ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
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
