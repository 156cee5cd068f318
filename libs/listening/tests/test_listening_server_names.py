"""Certificates by host name: a folder as Secrets are mounted, real clients, renewal, session resumption."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailyard.listening.certificates import Certificates
from mailyard.listening.servernames import ServerNames
from mailyard.listening.x509 import names_of
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc

OPENSSL = shutil.which("openssl")


class Hosts:
    """A folder of Secrets as a pod sees it: `..data` points to the present version, and all files go through it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._version = folder / "hosts", 0
        self.folder.mkdir()
        self._made = folder / "made"

    def put(self, secret: str, *names: str) -> Path:
        """Make or replace a Secret; its authority."""
        self._version += 1
        made = ensure_certificates(self._made / str(self._version), list(names), now_utc())
        self.put_files(secret, made.certificate.read_bytes(), made.key.read_bytes())
        return made.authority

    def put_files(self, secret: str, certificate: bytes, key: bytes) -> None:
        self._version += 1
        versions = self.folder / f"..{self._version}"
        old = self.folder / "..data"
        if old.exists():
            shutil.copytree(old.resolve(), versions)
        (versions / secret).mkdir(parents=True, exist_ok=True)
        (versions / secret / "tls.crt").write_bytes(certificate)
        (versions / secret / "tls.key").write_bytes(key)
        self._switch(versions)
        if not (self.folder / secret).exists():
            (self.folder / secret).symlink_to(Path("..data") / secret)

    def remove(self, secret: str) -> None:
        self._version += 1
        versions = self.folder / f"..{self._version}"
        shutil.copytree((self.folder / "..data").resolve(), versions)
        shutil.rmtree(versions / secret)
        self._switch(versions)
        (self.folder / secret).unlink()

    def _switch(self, versions: Path) -> None:
        temporary = self.folder / "..tmp"
        temporary.symlink_to(versions.name)
        temporary.rename(self.folder / "..data")


@pytest.fixture
def files(tmp_path):
    return ensure_certificates(tmp_path, ["localhost"], now_utc())


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


class _Greeter(asyncio.Protocol):
    """Says which name was chosen and what the client has shown, and closes when the client does."""

    def __init__(self, certificates):
        self.certificates = certificates

    def connection_made(self, transport):
        certificate = transport.get_extra_info("peercert") or {}
        subject = ",".join(value for part in certificate.get("subject", ()) for _, value in part)
        transport.write(f"{self.certificates.chosen_name(transport) or '-'} {subject or '-'}\n".encode())


@asynccontextmanager
async def serving(certificates):
    """Serve TLS from the first octet; the port."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        async def accept():
            while True:
                connection, _ = await loop.sock_accept(listening)
                try:
                    await certificates.accept(connection, _Greeter(certificates))
                except OSError:
                    connection.close()

        task = asyncio.create_task(accept())
        yield listening.getsockname()[1]
        task.cancel()


def talk(port, authority, name, *, context=None, session=None):
    """Connect, and verify the certificate for the name; the greeting and the session."""
    context = context or ssl.create_default_context(cafile=str(authority))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as secured,
    ):
        return secured.recv(200).decode().strip(), secured.session, secured.session_reused


async def greeting(port, authority, name, **how):
    return (await asyncio.to_thread(talk, port, authority, name, **how))[0]


async def test_each_host_name_gets_its_certificate_and_others_the_default(files, hosts):
    first = hosts.put("customer-1", "mail.customer-1.example", "imap.customer-1.example")
    second = hosts.put("customer-2", "mail.customer-2.example")
    certificates = Certificates(files.certificate, files.key, 5, folder=hosts.folder)
    async with serving(certificates) as port:
        assert await greeting(port, first, "mail.customer-1.example") == "mail.customer-1.example -"
        assert await greeting(port, first, "IMAP.Customer-1.Example") == "imap.customer-1.example -"
        assert await greeting(port, second, "mail.customer-2.example") == "mail.customer-2.example -"
        assert await greeting(port, files.authority, "localhost") == "- -"


async def test_a_wildcard_stands_for_one_label(files, hosts):
    authority = hosts.put("wild", "*.customer.example")
    certificates = Certificates(files.certificate, files.key, 5, folder=hosts.folder)
    async with serving(certificates) as port:
        assert await greeting(port, authority, "mail.customer.example") == "mail.customer.example -"
        for other in ("a.b.customer.example", "customer.example"):
            with pytest.raises(ssl.SSLCertVerificationError):
                await greeting(port, authority, other)


@pytest.mark.parametrize(
    "name", ["", ".", "*.customer.example", "-.customer.example", "a b.customer.example", "x" * 64 + ".customer.example",
             "a\r\n250 evil.customer.example", "ä.customer.example", "a_b.customer.example"]
)  # fmt: skip
def test_a_strange_name_of_a_client_gets_no_certificate_by_wildcard(hosts, name):
    hosts.put("wild", "*.customer.example")
    found = ServerNames(hosts.folder).find(name)
    assert found is None or name == "*.customer.example"


async def test_secrets_that_come_change_and_go_are_seen_without_a_restart(files, hosts):
    certificates = Certificates(files.certificate, files.key, 5, folder=hosts.folder)
    async with serving(certificates) as port:
        authority = hosts.put("customer", "mail.customer.example")
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeting(port, authority, "mail.customer.example")
        await certificates.refresh()
        assert await greeting(port, authority, "mail.customer.example") == "mail.customer.example -"
        renewed = hosts.put("customer", "mail.customer.example", "smtp.customer.example")
        await certificates.refresh()
        assert await greeting(port, renewed, "smtp.customer.example") == "smtp.customer.example -"
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeting(port, authority, "mail.customer.example")
        hosts.remove("customer")
        await certificates.refresh()
        with pytest.raises(ssl.SSLCertVerificationError):
            await greeting(port, renewed, "mail.customer.example")
        assert await greeting(port, files.authority, "localhost") == "- -"


def test_a_broken_secret_is_logged_once_and_harms_no_other(files, hosts):
    hosts.put("good", "mail.good.example")
    hosts.put_files("bad", b"nothing", b"nothing")
    with capture_logs() as logs:
        names = ServerNames(hosts.folder)
        names.refresh()
    assert [line["certificate"] for line in logs] == [str(hosts.folder / "bad")]
    assert names.find("mail.good.example") is not None


def test_a_secret_that_breaks_later_keeps_its_certificate(hosts):
    hosts.put("customer", "mail.customer.example")
    names = ServerNames(hosts.folder)
    hosts.put_files("customer", b"nothing", b"nothing")
    names.refresh()
    assert names.find("mail.customer.example") is not None


def test_of_two_certificates_for_a_name_the_one_that_lasts_longer_is_served(hosts, tmp_path):
    hosts.put("a", "mail.customer.example")
    hosts.put("b", "mail.customer.example")
    names = ServerNames(hosts.folder)
    found = names.find("mail.customer.example")
    assert found is not None
    assert found.expiry == max(each.expiry for each in names.served)


def test_a_folder_that_is_not_there_is_no_reason_to_stop(tmp_path):
    names = ServerNames(tmp_path / "none")
    assert names.find("mail.customer.example") is None


def test_the_names_are_those_of_the_certificate(tmp_path):
    made = ensure_certificates(tmp_path, ["Mail.Example.org", "*.example.net", "192.0.2.1"], now_utc())
    assert names_of(made.certificate) == ["mail.example.org", "*.example.net"]
    with pytest.raises(ValueError, match=r"PEM|certificate"):
        names_of(made.key)


@pytest.mark.parametrize("length", [1, 50, 200])
def test_a_certificate_that_is_cut_off_has_no_names(tmp_path, length):
    made = ensure_certificates(tmp_path, ["mail.example.org"], now_utc())
    der = ssl.PEM_cert_to_DER_cert(
        made.certificate.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----"
    )
    made.certificate.write_text(ssl.DER_cert_to_PEM_cert(der[:length]))
    try:
        found = names_of(made.certificate)
    except ValueError:
        found = []
    assert found == []


async def test_a_session_is_resumed_for_each_name(files, hosts):
    authority = hosts.put("customer", "mail.customer.example")
    certificates = Certificates(files.certificate, files.key, 5, folder=hosts.folder)
    async with serving(certificates) as port:
        for name, trusted in (("mail.customer.example", authority), ("localhost", files.authority)):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = ssl.create_default_context(cafile=str(trusted))
                context.minimum_version = context.maximum_version = version
                _, session, _ = await asyncio.to_thread(talk, port, trusted, name, context=context)
                for resumed in (None, session):
                    _, _, reused = await asyncio.to_thread(
                        talk, port, trusted, name, context=context, session=resumed
                    )
                    assert reused is (resumed is not None)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_may_show_a_certificate_of_the_authority_and_need_not(files, hosts, tmp_path, version):
    authority = hosts.put("customer", "mail.customer.example")
    clients = ensure_certificates(tmp_path / "clients", ["printer.example.org"], now_utc())
    certificates = Certificates(
        files.certificate, files.key, 5, folder=hosts.folder, client_authority=clients.authority
    )
    async with serving(certificates) as port:
        for name, trusted, shown in (
            ("mail.customer.example", authority, "mail.customer.example"),
            ("localhost", files.authority, "-"),
        ):
            context = ssl.create_default_context(cafile=str(trusted))
            context.minimum_version = context.maximum_version = version
            assert await greeting(port, trusted, name, context=context) == f"{shown} -"


async def test_a_client_certificate_of_another_authority_ends_the_handshake(files, tmp_path):
    clients = ensure_certificates(tmp_path / "clients", ["printer.example.org"], now_utc())
    stranger = ensure_certificates(tmp_path / "stranger", ["printer.example.org"], now_utc())
    certificates = Certificates(files.certificate, files.key, 5, client_authority=clients.authority)
    async with serving(certificates) as port:
        context = ssl.create_default_context(cafile=str(files.authority))
        context.load_cert_chain(stranger.certificate, stranger.key)
        try:
            heard = await greeting(port, files.authority, "localhost", context=context)
        except (ssl.SSLError, ConnectionError):
            heard = ""
        assert heard == ""


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
async def test_openssl_sees_the_certificate_of_the_name_and_resumes_its_session(files, hosts, tmp_path):
    authority = hosts.put("customer", "mail.customer.example")
    certificates = Certificates(files.certificate, files.key, 5, folder=hosts.folder)

    def client(*options: str) -> str:
        command = [OPENSSL or "", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "mail.customer.example",
                   "-CAfile", str(authority), "-verify_hostname", "mail.customer.example", *options]  # fmt: skip
        return subprocess.run(
            command, input="", capture_output=True, text=True, timeout=20, check=False
        ).stdout

    async with serving(certificates) as port:
        kept = str(tmp_path / "session.pem")
        first = await asyncio.to_thread(client, "-tls1_2", "-sess_out", kept)
        assert "Verify return code: 0 (ok)" in first
        assert "New, TLSv1.2" in first
        assert "Reused, TLSv1.2" in await asyncio.to_thread(client, "-tls1_2", "-sess_in", kept)
        refused = await asyncio.to_thread(client, "-tls1_1", "-cipher", "ALL@SECLEVEL=0")
        assert "Cipher is (NONE)" in refused
