"""The SMTP engine of smtp-in compared with aiosmtpd: same loop (uvloop), same discarding backend, same load.

    python -m bench.smtp_engine [--messages 3000] [--runs 5] [--sessions 20]
    python -m bench.smtp_engine --body

With --body: how fast the engine takes the octets of DATA, in this process.
Else: alternating runs with `smtp-source` (Debian: postfix), 7 KB mails, on kept connections and on one connection for each
mail. Prints messages/s, CPU of the server process per message, and the median ratio with its spread.
"""

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from bson import ObjectId

from bench.peers.load import find_smtp_source
from mailyard.directory.accesswatch import OpenSession
from mailyard.directory.identity import Identity, Refusal, RefusalReason
from mailyard.directory.model import Account, LocalAccount, Resolution
from mailyard.listening.admission import Admission
from mailyard.listening.listener import Listener, ListenerResources
from mailyard.message.address import Address
from mailyard.runtime.endpoint import Endpoint
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import MailFrom, RcptTo
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits
from mailyard.smtp.server.session import Session as SmtpSession
from mailyard.smtp_in.factory import SmtpConnectionFactory
from mailyard.smtp_in.listeners import ListenerName, ListenerProfile, ReceptionServices
from mailyard.smtp_in.measures import Measures
from mailyard.smtp_in.timeouts import TimeoutSettings
from mailyard.spool.acceptance import Acceptance

ENGINES = ("own", "aiosmtpd")
MESSAGE_OCTETS = 7000
MESSAGE_SIZE_LIMIT = 50 * 1024 * 1024
HOST = "127.0.0.1"
PIECE_OCTETS = 256 * 1024
BODY_LINES = {
    "lines of 76 octets": b"x" * 76 + b"\r\n",
    "lines of 998 octets": b"x" * 998 + b"\r\n",
    "8-bit lines with NUL": b"\xff\0" * 38 + b"\r\n",
    "lines of 76 octets, all stuffed": b".." + b"x" * 74 + b"\r\n",
    "empty lines": b"\r\n",
}


class Nowhere:
    """The services of a listener: every recipient is a local account, no login succeeds, no message is kept."""

    backlog = 0

    def __init__(self) -> None:
        address = Address("user", "example.org")
        account = Account(ObjectId(), "bench", address)
        self._anybody = LocalAccount(account, account.tenant, address)

    def resolve_cached(self, _address: Address) -> Resolution:
        """Return a local account for any address."""
        return self._anybody

    async def resolve(self, _address: Address, *, afresh: bool = False) -> Resolution:  # noqa: ARG002
        """Return a local account for any address."""
        return self._anybody

    async def postmaster(self, _hostname: str) -> Address | None:
        """Return no address for `<Postmaster>`; the load does not use it."""
        return None

    def open(self, identity: Identity, end: Callable[[], None]) -> OpenSession:
        """Return a session that is never revoked; the load does not log in."""
        return OpenSession(identity, end)

    def close(self, _session: OpenSession) -> None:
        """Do nothing: `open` keeps no session."""

    async def authenticate(
        self,
        _login: str,
        _password: str,
        *,
        client_ip: str,  # noqa: ARG002  # the interface has these names
        service: str,  # noqa: ARG002
    ) -> Identity | Refusal:
        """Refuse the login; the load does not log in."""
        return Refusal(RefusalReason.BAD_CREDENTIALS)

    async def send_right(self, _identity: Identity, _address: Address) -> None:
        """Refuse the address; the load does not log in."""

    def writer(self) -> NoReturn:
        """Say that no message is that long."""
        raise RuntimeError("the load has no long messages")

    def submit(self, _acceptance: Acceptance) -> "asyncio.Future[str]":
        """Forget the message."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        done.set_result("00000000000000000000")
        return done

    def refusal(self) -> Reply | None:
        """The budget is never exceeded."""
        return None


class Discard:
    """The same for aiosmtpd."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802  # its name
        """Forget the message."""
        return "250 2.0.0 Ok: queued as 00000000000000000000"


async def serve(engine: str, port: int) -> None:
    """Run one engine for ever."""
    if engine == "aiosmtpd":
        loop = asyncio.get_running_loop()
        handler = Discard()
        await loop.create_server(
            lambda: SMTP(handler, hostname="bench", enable_SMTPUTF8=True, data_size_limit=MESSAGE_SIZE_LIMIT),
            HOST,
            port,
        )
    else:
        nowhere = Nowhere()
        backend = ReceptionServices(
            addresses=nowhere,
            logins=nowhere,
            sessions=nowhere,
            bodies=nowhere,
            queue=nowhere,
            pressure=nowhere,
            postmaster_domain="example.org",
        )
        listener = ListenerProfile(
            ListenerName.MX, Profile(Mode.MX, "bench"), backend, Measures(ListenerName.MX)
        )
        resources = ListenerResources(Admission(10_000, 0), backend.memory)
        factory = SmtpConnectionFactory(listener, TimeoutSettings(data_rate=0))
        await Listener(factory, [Endpoint(HOST, port)], resources).start()
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one engine."""

    messages_per_second: float
    cpu_ms_per_message: float


@contextmanager
def running(engine: str) -> Iterator[tuple[int, int]]:
    """Run an engine in a process of its own; yields its process id and port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.smtp_engine", "--serve", engine, "--port", str(port)]
    ) as server:
        try:
            _wait_for(port)
            yield server.pid, port
        finally:
            server.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"the engine does not listen at port {port}")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, to the nanosecond: the first field of schedstat (kernel: sched-stats)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def measure(engine: str, messages: int, sessions: int, *, kept: bool) -> Run:
    """Send warm-up and load to a fresh engine."""
    with running(engine) as (pid, port):
        _load(port, 200, sessions, kept=kept)
        cpu, wall = cpu_seconds(pid), time.monotonic()
        _load(port, messages, sessions, kept=kept)
        wall, cpu = time.monotonic() - wall, cpu_seconds(pid) - cpu
    return Run(messages / wall, cpu * 1000 / messages)


def _load(port: int, messages: int, sessions: int, *, kept: bool) -> None:
    keep = ["-d"] if kept else []
    numbers = ["-s", str(sessions), "-m", str(messages), "-l", str(MESSAGE_OCTETS)]
    addresses = ["-f", "sender@example.com", "-t", "user@example.org"]
    command = [find_smtp_source(), *keep, *numbers, *addresses, f"{HOST}:{port}"]
    subprocess.run(command, check=True, timeout=300)


def compare(messages: int, sessions: int, runs: int, *, kept: bool) -> None:
    """Alternate the engines and print each run and the ratios of neighbours."""
    print(
        f"\n{'kept connections' if kept else 'one connection per mail'}, {sessions} at a time, {messages} messages"
    )
    pairs = []
    for number in range(runs):
        order = ENGINES if number % 2 == 0 else ENGINES[::-1]
        pair = {engine: measure(engine, messages, sessions, kept=kept) for engine in order}
        pairs.append(pair)
        print("  " + "   ".join(f"{name}: {_shown(pair[name])}" for name in ENGINES))
    rates = [pair["own"].messages_per_second / pair["aiosmtpd"].messages_per_second for pair in pairs]
    costs = [pair["aiosmtpd"].cpu_ms_per_message / pair["own"].cpu_ms_per_message for pair in pairs]
    print(f"  own against aiosmtpd: messages/s {_spread(rates)}, CPU per message 1/{_spread(costs)}")


def _shown(run: Run) -> str:
    return f"{run.messages_per_second:6.0f}/s {run.cpu_ms_per_message:.3f} ms"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def body_rate(line: bytes, megabytes: int = 200) -> float:
    """Megabytes of DATA that a session takes in a second of CPU, in pieces as big as uvloop reads them."""
    session = SmtpSession(Profile(Mode.MX, "bench", SmtpLimits(message_size=1 << 40)))
    session.receive(b"HELO bench\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n")
    while (event := session.next_event()) is not None:
        if isinstance(event, MailFrom | RcptTo):
            session.answer(reply(250, None, "Ok"))
    piece = line * (PIECE_OCTETS // len(line))
    begun = time.process_time()
    for _ in range(megabytes * 1_000_000 // len(piece)):
        session.receive(piece)
        while session.next_event() is not None:
            pass
    return megabytes / (time.process_time() - begun)


def main() -> None:
    """Serve as one engine, or measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--serve", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--body", action="store_true", help="measure how fast DATA is read, and nothing else")
    options = parser.parse_args()
    if options.body:
        for name, line in BODY_LINES.items():
            print(f"{name:32} {body_rate(line):6.0f} MB/s")
        return
    if options.serve:
        uvloop.run(serve(options.serve, options.port))
        return
    for kept in (True, False):
        compare(options.messages, options.sessions, options.runs, kept=kept)


if __name__ == "__main__":
    main()
