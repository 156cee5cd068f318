"""`make run`: start everything, send one mail, then show the live line until the user stops it.

A stop is the cancellation of the one task: what was started is stopped on the way out, services first, in the order
of the mail flow, then sink, broker and store. A second signal kills what is left.
"""

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console

from mailyard.broker.connection import Broker
from mailyard.cli.indexes import ensure_all
from mailyard.local import guide
from mailyard.local.access import Access, plan_access, read_accounts
from mailyard.local.certificates import ensure_certificates
from mailyard.local.demo import DOMAINS, ensure_demo
from mailyard.local.instance import only_one
from mailyard.local.layout import Layout, write_private
from mailyard.local.ports import HOST, Ports, require_free
from mailyard.local.pulse import LEAST_FREE_BYTES, disk_trouble, read_pulse
from mailyard.local.screen import Screen
from mailyard.local.servers import Unreachable, plan_servers, require_reachable, through
from mailyard.local.services import HOSTNAME, Surroundings, common_environment, service_parts, sink_part
from mailyard.local.settings import LocalSettings
from mailyard.local.supervisor import TICK_SECONDS, Part, Supervisor
from mailyard.probe.mailserver import Login, MailServer, Trust
from mailyard.probe.message import compose
from mailyard.probe.roundtrip import Roundtrip, RoundtripResult
from mailyard.runtime.clock import now_utc
from mailyard.runtime.logs import configure_logs
from mailyard.store.client import Store

ARRIVAL_SECONDS = 30.0
DEMO_SUBJECT = "Welcome to Mailyard"
DEMO_TEXT = "This mail came in by submission and went through every service.\n"
PULSE_SECONDS = 1.0
SERVERS_SECONDS = 120.0
CERTIFICATE_NAMES = ("localhost", HOSTNAME, *DOMAINS, HOST, "::1")


class NoRoom(Exception):
    """The disk is nearly full; the text says where."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    check: bool = False
    demo_mail: bool = True


async def run(settings: LocalSettings, options: Options, screen: Screen, console: Console) -> None:
    """Run until it is cancelled, or, with `check`, until the test mail has arrived.

    Raises AlreadyRunning, PortsTaken, NoRoom, NotProvided, StartFailed, MailLost or Unavailable, each with a text for
    people.
    """
    layout = Layout(settings.local_dir.resolve())
    with only_one(layout):
        layout.begin_logs()
        with layout.log("supervisor").open("a") as log:
            configure_logs("local", settings.log_level, settings.log_format, stream=log)
            await _Local(settings, layout, screen, console).live(options)


class _Local:
    """One life of a local Mailyard."""

    def __init__(self, settings: LocalSettings, layout: Layout, screen: Screen, console: Console) -> None:
        self._settings = settings
        self._layout = layout
        self._screen = screen
        self._console = console
        self._ports = Ports(settings.port_base)
        self._supervisor = Supervisor(layout.processes, screen.say)

    async def live(self, options: Options) -> None:
        self._obey_signals()
        self._require_room()
        require_free(self._ports)
        require_reachable(self._settings)
        async with self._servers() as around, _store(around) as store, self._services(around):
            access = await self._accounts(store, around)
            sent = await self._send_mail(access) if options.check or options.demo_mail else None
            guide.show(self._console, access, self._layout, self._ports, sent)
            if not options.check:
                await self._watch(store, around)

    def _obey_signals(self) -> None:
        """The first signal stops, the second kills."""
        task = asyncio.current_task()
        assert task is not None

        def on_signal() -> None:
            if task.cancelling():
                self._supervisor.kill()
            else:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, on_signal)

    def _require_room(self) -> None:
        trouble = disk_trouble(self._layout.root)
        if trouble is not None:
            wanted = LEAST_FREE_BYTES // 2**20
            advice = f"Broker and store need at least {wanted} MB: make room, or name another folder in MAILYARD_LOCAL_DIR."
            raise NoRoom(f"The disk is nearly full: {trouble}.\n{advice}")

    @asynccontextmanager
    async def _servers(self) -> AsyncIterator[Surroundings]:
        """Broker and store run inside of this context."""
        servers = await asyncio.to_thread(plan_servers, self._settings, self._layout, self._ports)
        async with self._up(servers.parts, tuple(reversed(servers.parts)), SERVERS_SECONDS):
            yield Surroundings(
                layout=self._layout,
                ports=self._ports,
                tls=ensure_certificates(self._layout.tls, CERTIFICATE_NAMES, now_utc()),
                amqp_url=through(servers.amqp_url, self._settings.local_amqp_proxy),
                mongo_url=through(servers.mongo_url, self._settings.local_mongo_proxy),
                mongo_database=self._settings.mongo_database,
            )

    @asynccontextmanager
    async def _services(self, around: Surroundings) -> AsyncIterator[None]:
        """The services and the sink run inside of this context."""
        variables = {**common_environment(around), "MAILYARD_LOCAL_DIR": str(self._layout.root)}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        write_private(self._layout.environment, "".join(lines))
        parts = (*service_parts(around), sink_part(around))
        async with self._up(parts, parts, self._settings.local_ready_seconds):
            yield

    @asynccontextmanager
    async def _up(
        self, parts: Sequence[Part], stop_order: Sequence[Part], seconds: float
    ) -> AsyncIterator[None]:
        """Starts parts together, and stops them one after the other."""
        if parts:
            self._screen.say(f"==> starting {', '.join(part.name for part in parts)}")
        try:
            self._supervisor.start(parts)
            await self._supervisor.until_ready(parts, seconds)
            yield
        finally:
            self._screen.end_live()
            if parts:
                self._screen.say(f"==> stopping {', '.join(part.name for part in stop_order)}")
            await self._supervisor.stop(stop_order)

    async def _accounts(self, store: Store, around: Surroundings) -> Access:
        """Made once; their passwords are in access.json."""
        accounts = await ensure_demo(store, read_accounts(self._layout.access))
        access = plan_access(self._ports, accounts, around.tls.authority)
        access.write(self._layout.access)
        return access

    async def _send_mail(self, access: Access) -> RoundtripResult:
        """From the first account to the last one: they are in different domains."""
        self._screen.say("==> sending a test mail")
        return await asyncio.to_thread(_send_and_find, access)

    async def _watch(self, store: Store, around: Surroundings) -> None:
        """Show the live line in a task of its own, so that it never delays a restart."""
        async with asyncio.TaskGroup() as tasks:
            if self._screen.is_terminal:
                tasks.create_task(self._show_pulse(store, around))
            while True:
                self._supervisor.tick()
                await asyncio.sleep(TICK_SECONDS)

    async def _show_pulse(self, store: Store, around: Surroundings) -> None:
        async with _broker(around) as broker:
            while True:
                self._screen.live(await read_pulse(store, broker, self._layout.root, self._supervisor.down()))
                await asyncio.sleep(PULSE_SECONDS)


def _send_and_find(access: Access) -> RoundtripResult:
    """Raises MailLost when the mail does not arrive in time."""
    trust = Trust(authority=access.authority)
    sender, reader = (
        Login(each.address, each.password) for each in (access.accounts[0], access.accounts[-1])
    )
    way = Roundtrip(
        MailServer(access.listeners["submission"], trust),
        sender,
        MailServer(access.listeners["imap"], trust),
        reader,
    )
    return way.pass_through(
        compose(sender.address, reader.address, DEMO_SUBJECT, DEMO_TEXT, now_utc()), ARRIVAL_SECONDS
    )


@asynccontextmanager
async def _store(around: Surroundings) -> AsyncIterator[Store]:
    store = Store(around.mongo_url, around.mongo_database)
    try:
        async with asyncio.timeout(SERVERS_SECONDS):
            await store.start()
            await ensure_all(store)
        yield store
    except TimeoutError as error:
        log = around.layout.log("supervisor")
        raise Unreachable(
            f"MongoDB takes connections but does not answer as it should; see {log}."
        ) from error
    finally:
        await store.close()


@asynccontextmanager
async def _broker(around: Surroundings) -> AsyncIterator[Broker]:
    broker = Broker(around.amqp_url, "local", required=False)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()
