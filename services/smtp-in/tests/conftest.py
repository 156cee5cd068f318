"""Doubles of the libraries that smtp-in uses, and a listener on loopback that works with them."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import uvloop
from bson import ObjectId

from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.grants import GrantKind
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import Account, Expansion, LocalAccount, Remote, Resolution, Unknown
from mailyard.listening.admission import Admission
from mailyard.listening.budget import MemoryBudget
from mailyard.listening.certificates import Certificates
from mailyard.listening.listener import Listener, ListenerResources
from mailyard.listening.proxynetworks import ProxySettings
from mailyard.message.address import Address
from mailyard.runtime.endpoint import Endpoint
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import EarlyData, Profile, SmtpLimits
from mailyard.smtp_in.factory import SmtpConnectionFactory
from mailyard.smtp_in.headerfilters import Trace
from mailyard.smtp_in.hooks import SmtpHook
from mailyard.smtp_in.listeners import MODES, ListenerName, ListenerProfile, ReceptionServices
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.submitted import SubmissionRules
from mailyard.smtp_in.timeouts import TimeoutSettings
from mailyard.spool.acceptance import Acceptance
from mailyard.store.body import Body

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
SECONDS = 10
LONG = TimeoutSettings(
    idle_seconds=300,
    busy_idle_seconds=300,
    data_seconds=300,
    message_seconds=300,
    connection_seconds=300,
    data_rate=0,
)


@dataclass
class FakeDirectory:
    """Knows ann@ and bob@one.test (tenant one), cat@two.test (tenant two), the alias team@one.test, gone@one.test."""

    is_warm: bool = True
    is_unreachable: bool = False
    resolved: list[Address] = field(default_factory=list)
    new: dict[str, Resolution] = field(default_factory=dict)  # what the cache does not know yet
    is_staffed: bool = True
    hostname: str = ""

    def resolve_cached(self, address: Address) -> Resolution | None:
        return self.look_up(address) if self.is_warm else None

    async def resolve(self, address: Address, *, afresh: bool = False) -> Resolution:
        await asyncio.sleep(0)
        if self.is_unreachable:
            raise Unavailable("the store is unreachable")
        self.resolved.append(address)
        if afresh and address.key in self.new:
            return self.new[address.key]
        return self.look_up(address)

    async def postmaster(self, hostname: str) -> Address | None:
        await asyncio.sleep(0)
        self.hostname = hostname
        return Address("postmaster", "one.test") if self.is_staffed else None

    def look_up(self, address: Address) -> Resolution:
        if address.key == "postmaster@one.test":
            return Expansion((), "one", is_default=True, account=LocalAccount(ANN, "one", ANN.address))
        if address.key in ACCOUNTS:
            account = ACCOUNTS[address.key]
            return LocalAccount(account, account.tenant, account.address)
        if address.key == "team@one.test":
            return Expansion((ANN.address, BOB.address), "one")
        if address.key == "gone@one.test":
            return Unknown("the mailbox is disabled", "5.2.1")
        if address.domain in {"one.test", "two.test"}:
            return Unknown("no such address here")
        return Remote(address.domain)


def account(tenant: str, text: str) -> Account:
    return Account(ObjectId(), tenant, Address.parse(text))


ANN, BOB, CAT = account("one", "ann@one.test"), account("one", "bob@one.test"), account("two", "cat@two.test")
ACCOUNTS = {each.address.key: each for each in (ANN, BOB, CAT)}


@dataclass
class FakeLogins:
    """The password of every account is `right`; of `slow` logins nothing is known in time."""

    refusal: RefusalReason = RefusalReason.BAD_CREDENTIALS
    asked: list[tuple[str, str]] = field(default_factory=list)
    is_unreachable: bool = False
    grants: dict[str, GrantKind] = field(default_factory=dict)

    async def authenticate(
        self, login: str, password: str, *, client_ip: str, service: str
    ) -> Identity | Refusal:
        await asyncio.sleep(0)
        self.asked.append((login, client_ip))
        if login in ACCOUNTS and password == "right":
            known = ACCOUNTS[login]
            return Identity(str(known.id), known.tenant, known.address)
        return Refusal(self.refusal)

    async def send_right(self, identity: Identity, address: Address) -> GrantKind | None:
        await asyncio.sleep(0)
        if self.is_unreachable:
            raise Unavailable("the store is unreachable")
        return GrantKind.SEND_AS if address.key == "team@one.test" else self.grants.get(address.key)


@dataclass
class FakeSessions:
    """Sessions that are open; `take_away` ends them all."""

    open_ones: set[OpenSession] = field(default_factory=set)

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        session = OpenSession(identity, end)
        self.open_ones.add(session)
        return session

    def close(self, session: OpenSession) -> None:
        self.open_ones.discard(session)

    def take_away(self) -> None:
        for session in list(self.open_ones):
            session.end()


@dataclass
class FakeStream:
    """One long body; `hold` keeps writes waiting, `failing` refuses them."""

    store: "FakeBodies"
    octets: bytearray = field(default_factory=bytearray)
    taken: int = 0
    parked: int = 0
    is_aborted: bool = False
    is_finished: bool = False

    @property
    def held(self) -> int:
        return self.taken - self.parked

    async def park(self) -> None:
        await self.store.free.wait()
        self.parked = len(self.octets)

    async def write(self, data: bytes) -> None:
        self.store.writes += 1
        self.taken += len(data)
        await self.store.free.wait()
        if self.store.is_failing:
            raise Unavailable("the store is unreachable")
        self.octets += data

    async def finish(self) -> Body:
        await self.store.free.wait()
        if self.store.fault is not None:
            raise self.store.fault
        if self.store.is_failing:
            raise Unavailable("the store is unreachable")
        self.is_finished = True
        return Body(ObjectId(), len(self.octets), None)

    async def abort(self) -> None:
        self.is_aborted = True


@dataclass
class FakeBodies:
    streams: list[FakeStream] = field(default_factory=list)
    writes: int = 0
    is_failing: bool = False
    fault: Exception | None = None
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def writer(self) -> FakeStream:
        self.streams.append(FakeStream(self))
        return self.streams[-1]


@dataclass
class FakeSpool:
    """Accepts at once, or when the test says so."""

    is_holding: bool = False
    is_unreachable: bool = False
    backlog: int = 0
    accepted: list[Acceptance] = field(default_factory=list)
    waiting: list["asyncio.Future[str]"] = field(default_factory=list)

    def submit(self, acceptance: Acceptance) -> "asyncio.Future[str]":
        self.accepted.append(acceptance)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        if not self.is_holding:
            self.settle()
        return future

    def settle(self) -> None:
        for future in self.waiting:
            if self.is_unreachable:
                future.set_exception(Unavailable("the store is unreachable"))
            else:
                future.set_result(f"spoolid{len(self.accepted):013}")
        self.waiting.clear()

    def stored(self, number: int = -1) -> bytes:
        """The octets of an accepted message that was short, without its prefix."""
        octets = self.accepted[number].body.octets
        assert octets is not None
        return octets

    def prefix(self, number: int = -1) -> str:
        return self.accepted[number].prefix("spoolid", NOW).decode().replace("\r\n\t", " ")


@dataclass
class FakePressure:
    reply: Reply | None = None

    def refusal(self) -> Reply | None:
        return self.reply


class Client:
    """Says lines, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, *lines: str) -> list[str]:
        """Send lines in one segment; return as many replies."""
        self.send("".join(line + "\r\n" for line in lines).encode())
        return [await self.reply() for _ in lines]

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    def reset(self) -> None:
        """Leave without a word: the server sees an error, not the end of input."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def reply(self) -> str:
        """One reply; of more than one line, the last."""
        async with asyncio.timeout(SECONDS):
            while (line := (await self.reader.readline()).decode())[3:4] == "-":
                pass
        return line.rstrip("\r\n")

    async def ended(self) -> bool:
        """Whether the server has closed, with nothing more to say."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read() == b""

    async def envelope(self, *recipients: str, sender: str = "x@there.test") -> list[str]:
        """Open a transaction."""
        return await self.ask(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients))

    async def message(self, text: str) -> str:
        """Send a message's text; return what is said at its end."""
        assert (await self.ask("DATA"))[0][:3] == "354"
        self.send(text.encode() + b"\r\n.\r\n")
        return await self.reply()


@dataclass
class SmtpService:
    """One listener, its doubles, and clients."""

    directory: FakeDirectory = field(default_factory=FakeDirectory)
    logins: FakeLogins = field(default_factory=FakeLogins)
    sessions: FakeSessions = field(default_factory=FakeSessions)
    bodies: FakeBodies = field(default_factory=FakeBodies)
    spool: FakeSpool = field(default_factory=FakeSpool)
    pressure: FakePressure = field(default_factory=FakePressure)
    certificates: Certificates | None = None
    timeouts: TimeoutSettings = field(default_factory=lambda: LONG)
    admission: Admission = field(default_factory=lambda: Admission(100, 0))
    proxies: ProxySettings = field(default_factory=ProxySettings)
    early_data: EarlyData = EarlyData.ACCEPT
    trace: Trace = field(default_factory=lambda: Trace(100, frozenset({b"mail.one.test"})))
    rules: SubmissionRules = field(default_factory=SubmissionRules)
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(2**27))
    first_hooks: list[SmtpHook] = field(default_factory=list)
    more_hooks: list[SmtpHook] = field(default_factory=list)
    greeting_delay: Callable[[str], float] | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.bodies.free.set()

    async def open(
        self, name: ListenerName = ListenerName.MX, *, plaintext_auth: bool = False, **limits: int
    ) -> Listener:
        profile = Profile(
            MODES[name],
            "mail.one.test",
            SmtpLimits(**limits),
            starttls=self.certificates is not None,
            early_data=self.early_data,
        )
        backend = ReceptionServices(
            self.directory,
            self.logins,
            self.sessions,
            self.bodies,
            self.spool,
            self.pressure,
            "one.test",
            trace=self.trace,
            rules=self.rules,
            memory=self.memory,
            first_hooks=self.first_hooks,
            more_hooks=self.more_hooks,
        )
        profile = ListenerProfile(name, profile, backend, Measures(name), plaintext_auth, self.greeting_delay)
        resources = ListenerResources(
            self.admission, self.memory, self.certificates, self.proxies, backlog=128
        )
        listener = Listener(
            SmtpConnectionFactory(profile, self.timeouts),
            [Endpoint("127.0.0.1", 0)],
            resources,
            tls_first=name is ListenerName.SUBMISSIONS,
        )
        await listener.start()
        self.stack.push_async_callback(listener.close)
        return listener

    async def client(
        self, listener: Listener, hello: str = "EHLO client.test", source: str = "127.0.0.1"
    ) -> Client:
        """Connect and say hello; with an empty one, nothing is read."""
        reader, writer = await asyncio.open_connection(*listener.addresses[0], local_addr=(source, 0))
        self.stack.callback(writer.close)
        client = Client(reader, writer)
        if hello:
            assert (await client.reply())[:3] == "220"
            assert (await client.ask(hello))[0][:3] == "250"
        return client

    async def submission(self) -> Client:
        """Return a client that has authenticated as ann@one.test."""
        client = await self.client(await self.open(ListenerName.SUBMISSION, plaintext_auth=True))
        assert await client.ask("AUTH PLAIN AGFubkBvbmUudGVzdAByaWdodA==") == [
            "235 2.7.0 Authentication successful"
        ]
        return client


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Test on the loop that the service runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def service() -> AsyncIterator[SmtpService]:
    made = SmtpService()
    async with made.stack:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition, for some seconds at most."""
    return until
