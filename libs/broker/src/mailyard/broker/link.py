"""One connection to RabbitMQ that is opened again whenever it closes.

The plain objects of aio-pika with a reconnection of their own here: the robust objects of aio-pika replay neither
publishes nor unacknowledged deliveries, and cost more per message. A link declares the topology each time it connects,
and opens channels while it is connected. The user of a channel watches the channel, and opens another when it closes.
"""

import asyncio
import contextlib
import logging
import re

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq import Channel
from aiormq.exceptions import ProbableAuthenticationError
from yarl import URL

from mailyard.broker.cancellation import cancel_and_wait
from mailyard.broker.faults import describe, faults
from mailyard.broker.pulse import ANSWER_SECONDS, wait_for_silence
from mailyard.broker.topology import EVENTS_EXCHANGE, declare
from mailyard.runtime.backoff import Backoff
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, gauge

HEARTBEAT_SECONDS = 20  # the broker drops a silent process after 20 to 40 s; `pulse` is faster
CONNECT_SECONDS = 10.0
RPC_SECONDS = 10.0
CLOSE_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
_PORTS = {"amqp": 5672, "amqps": 5671}
OLDEST_BROKER = (3, 10)  # at-least-once dead-lettering begins there

_log = get_logger(__name__)

for _noisy in ("aiormq", "aio_pika"):  # they log with tracebacks; Mailyard logs one line
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)


class BrokerLink:
    """A connection for one purpose, `publish` or `consume`."""

    def __init__(self, url: str, name: str, purpose: str) -> None:
        self.purpose = purpose
        self._url = parse_url(url)
        self._label = f"{name} {purpose}"
        self._connection: aio_pika.Connection | None = None
        self._questions: Channel | None = None
        self._reason: str | None = "not connected to RabbitMQ yet"
        self._mismatch: Misconfigured | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reconnects = counter("mailyard_broker_reconnects_total").labels(purpose)

    @property
    def reason(self) -> str | None:
        """Why the link is down, or None while it is up."""
        return self._reason

    @property
    def place(self) -> str:
        """Host, port and virtual host: what may be shown of the URL."""
        return f"{self._url.host}:{self._url.port}{self._url.path}"

    def begin(self) -> None:
        """Start keeping the connection up."""
        self._task = asyncio.create_task(self._keep(), name=f"broker-{self.purpose}")

    async def settled(self) -> None:
        """Wait until the link is up; raises Misconfigured when a person must act."""
        while self._reason is not None:
            if self._mismatch is not None:
                raise self._mismatch
            await self._changed.wait()
            self._changed.clear()

    async def channel(self, *, confirms: bool = False) -> Channel:
        """Open a channel, on aiormq's level: it costs least per message. Raises Unavailable while the link is down."""
        channel = await _open_channel(self._up(), confirms=confirms)
        with faults("RabbitMQ opens no channel"):
            underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, Channel)
        return underlay

    async def declare(self) -> None:
        """Declare the topology again; raises Misconfigured or Unavailable."""
        await _declare_on(self._up())

    async def close(self) -> None:
        """Close the connection and stop keeping it up."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self._disconnect("closed")

    def _up(self) -> aio_pika.Connection:
        if self._connection is None or self._reason is not None:
            raise Unavailable(f"no connection to RabbitMQ at {self.place}: {self._reason}")
        return self._connection

    async def _keep(self) -> None:
        """Connect, wait until the connection is lost, and again."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            try:
                with faults(f"RabbitMQ at {self.place} cannot be used"):
                    closing = await self._connect()
            except (Unavailable, Misconfigured) as error:
                self._note_failure(error, backoff.seconds)
                await self._disconnect(describe(error))
            else:
                backoff.reset()
                cause = await self._until_lost(closing)
                await self._disconnect(f"connection to RabbitMQ lost: {cause}")
                self._reconnects.inc()
                _log.warning("broker.connection_lost", purpose=self.purpose, place=self.place, error=cause)
            await backoff.wait()

    async def _connect(self) -> "asyncio.Future[object]":
        """Connect and declare; return the future that ends with the connection."""
        self._connection = connection = await self._dial()
        assert connection.transport is not None
        underlay = connection.transport.connection
        check_version(str(underlay.server_properties.get("version", "")))
        await _declare_on(connection)
        self._reason = self._mismatch = None
        self._changed.set()
        gauge("mailyard_broker_connected_state").labels(self.purpose).set(1)
        _log.info("broker.connected", purpose=self.purpose, place=self.place)
        return underlay.closing

    async def _until_lost(self, closing: "asyncio.Future[object]") -> str:
        """Wait until the connection closes or stops to answer; return the cause."""
        pulse = asyncio.create_task(
            wait_for_silence(self._unblocked, self._ask), name=f"broker-{self.purpose}-pulse"
        )
        try:
            await asyncio.wait((closing, pulse), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answers = not pulse.done()
            await cancel_and_wait(pulse)
        return _cause(closing) if answers or closing.done() else f"no answer for {ANSWER_SECONDS:g} s"

    async def _unblocked(self) -> None:
        """Wait while the broker blocks a publishing connection (an alarm of its memory or disk): it answers nothing then."""
        connection = self._connection
        if connection is not None and connection.transport is not None:
            await connection.transport.connection.ready()

    async def _ask(self) -> None:
        """Ask the broker for an exchange, which changes nothing."""
        if self._questions is None or self._questions.is_closed:
            self._questions = await self.channel()
        await self._questions.exchange_declare(EVENTS_EXCHANGE, passive=True)

    async def _dial(self) -> aio_pika.Connection:
        connection = aio_pika.Connection(self._url, client_properties={"connection_name": self._label})
        try:
            await connection.connect(timeout=CONNECT_SECONDS)
        except ProbableAuthenticationError as error:
            raise Unavailable(
                f"RabbitMQ at {self.place} refuses the user or the password: correct MAILYARD_AMQP_URL"
            ) from error
        return connection

    def _note_failure(self, error: Exception, pause: float) -> None:
        if isinstance(error, Misconfigured):
            self._mismatch = error
            _log.error("broker.topology_mismatch", purpose=self.purpose, place=self.place, error=str(error))
        else:
            retry = round(pause, 1)
            _log.warning(
                "broker.connection_failed", purpose=self.purpose, error=str(error), retry_seconds=retry
            )

    async def _disconnect(self, reason: str) -> None:
        self._reason = reason
        connection, self._connection = self._connection, None
        gauge("mailyard_broker_connected_state").labels(self.purpose).set(0)
        self._changed.set()
        if connection is not None:
            await close_quietly(connection)


def parse_url(text: str) -> URL:
    """Read an AMQP URL and add the heartbeat; raises Misconfigured."""
    try:
        url = URL(text)
        default_port = _PORTS[url.scheme]
        url = url.with_port(url.explicit_port or default_port)
    except (ValueError, KeyError) as error:
        raise Misconfigured(
            "MAILYARD_AMQP_URL is no AMQP URL: write amqp://user:password@host:5672/vhost, or amqps:// with TLS"
        ) from error
    return url if "heartbeat" in url.query else url.update_query(heartbeat=HEARTBEAT_SECONDS)


def check_version(version: str) -> None:
    """Raise Misconfigured when the broker lacks what the topology needs."""
    match = re.match(r"(\d+)\.(\d+)", version)
    if match and (int(match[1]), int(match[2])) < OLDEST_BROKER:
        raise Misconfigured(
            f"RabbitMQ {version} is too old: Mailyard needs 3.10 or newer. Upgrade the broker."
        )


async def _open_channel(connection: aio_pika.Connection, *, confirms: bool) -> AbstractChannel:
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    with faults("RabbitMQ opens no channel"):
        async with asyncio.timeout(RPC_SECONDS):
            await channel.initialize()
    return channel


async def _declare_on(connection: aio_pika.Connection) -> None:
    channel = await _open_channel(connection, confirms=False)
    try:
        with faults("RabbitMQ declares nothing"):
            await declare(channel)
    finally:
        await close_quietly(channel)


async def close_quietly(thing: Channel | AbstractChannel | aio_pika.Connection) -> None:
    """Close a channel or a connection, in time and whatever state it is in."""
    with contextlib.suppress(Unavailable), faults("close"):
        async with asyncio.timeout(CLOSE_SECONDS):
            await thing.close()


def _cause(closing: "asyncio.Future[object]") -> str:
    return "closed" if closing.cancelled() else describe(closing.exception())
