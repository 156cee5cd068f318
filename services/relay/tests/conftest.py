"""Peers for relay: a DNS server of our own, hosts that follow a script, certificates. All on loopback."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.trial.nameserver import DnsServer

HOST = "127.0.0.1"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of running services."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def dns_server() -> AsyncIterator[DnsServer]:
    """A DNS server whose zone the test fills."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        DnsServer, local_addr=(HOST, 0)
    )
    yield server
    transport.close()


class Peer:
    """A host whose connections follow scripts, one after the other; the last one is followed for ever.

    S: LINE   say it (| for CRLF within one write)       C: PREFIX  wait for a line that begins so
    body      read to the dot   tls        handshake as server
    hang      say no more       stall  read no more
    trickle   an octet of a reply now and then           wait   until `go_on` is set
    close     close in order    cut    reset the connection
    """

    def __init__(self, scripts: list[str], context: ssl.SSLContext | None) -> None:
        self.scripts = scripts
        self.context = context
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.lines: list[bytes] = []
        self.bodies: list[bytes] = []
        self.faults: list[str] = []
        self.port = 0
        self.server: asyncio.Server | None = None
        self.go_on = asyncio.Event()
        self.transports: list[asyncio.WriteTransport] = []

    async def start(self) -> "Peer":
        self.server = await asyncio.start_server(self._serve, HOST, 0, limit=1 << 26)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.transports.append(writer.transport)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for line in script.strip().splitlines():
                await self._step(line.strip(), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            self.faults.append(repr(error))
        finally:
            self.open -= 1
            writer.close()

    async def _step(self, step: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb, _, rest = step.partition(" ")
        match verb:
            case "S:":
                writer.write(rest.replace("|", "\r\n").encode() + b"\r\n")
                await writer.drain()
            case "C:":
                line = await reader.readuntil(b"\r\n")
                self.lines.append(line)
                if not line.startswith(rest.encode()):
                    self.faults.append(f"expected {rest!r}, got {line!r}")
            case "body":
                self.bodies.append(await reader.readuntil(b"\r\n.\r\n"))
            case "tls":
                await writer.start_tls(self.context)
            case "hang":
                await reader.read()
            case "trickle":
                for octet in b"250-" + b"x" * 1000:
                    writer.write(bytes([octet]))
                    await asyncio.sleep(0.05)
            case "wait":
                await self.go_on.wait()
            case "stall":
                writer.transport.pause_reading()
                await asyncio.sleep(30)
            case "cut":
                writer.transport.abort()
            case "close":
                writer.close()
            case _:
                raise ValueError(step)


PeerFactory = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def peer(server_tls: ssl.SSLContext) -> AsyncIterator[PeerFactory]:
    """Starts hosts that follow scripts."""
    started: list[Peer] = []

    async def start(*scripts: str) -> Peer:
        started.append(await Peer(list(scripts), server_tls).start())
        return started[-1]

    yield start
    for each in started:
        each.server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for mx.example and 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("mx.example"), x509.IPAddress(ipaddress.ip_address(HOST))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture(scope="session")
def server_tls(certificate: Path) -> ssl.SSLContext:
    """What a host shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for a condition, with a limit."""

    async def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # conditions of the code under test have no event
                await asyncio.sleep(0.005)

    return wait
