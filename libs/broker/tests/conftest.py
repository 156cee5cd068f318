"""A RabbitMQ virtual host of its own for each test, and a TCP proxy that cuts and stalls."""

import asyncio
import time
from collections.abc import Callable

import aio_pika
import pytest
from yarl import URL

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket, TicketBatch

LIMIT = 20.0


async def _eventually(condition: Callable[[], object], what: str, seconds: float = LIMIT):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)
    return result


@pytest.fixture
def eventually():
    """`await eventually(condition, what)`: wait for it, with a limit."""
    return _eventually


@pytest.fixture
def tickets():
    """`tickets(first, count)`: numbered tickets."""
    return lambda first, count: [
        Ticket(spool_id=f"{number:020d}", released_at_ms=1000 + number)
        for number in range(first, first + count)
    ]


class TcpProxy:
    """Stands between a client and the broker; can cut, stall and refuse."""

    def __init__(self, target: URL):
        self._target = target
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._octets_until_cut: int | None = None
        self.connections = 0

    @property
    def url(self) -> str:
        return str(self._target.with_host("127.0.0.1").with_port(self._port))

    async def accept(self) -> None:
        """Listen, always on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Close the listener and all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._octets_until_cut = None

    def cut_after(self, octets: int) -> None:
        """Let so many more octets of clients through, then reset all connections."""
        self._octets_until_cut = octets

    def stall(self) -> None:
        """Forward nothing more, but keep the connections."""
        self._flowing.clear()

    def flow(self) -> None:
        """Forward again."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, there_writer}
        await asyncio.gather(
            self._pump(reader, there_writer, from_client=True),
            self._pump(there_reader, writer, from_client=False),
        )

    async def _pump(self, reader, writer, *, from_client: bool) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                if from_client and self._octets_until_cut is not None:
                    data, self._octets_until_cut = (
                        data[: self._octets_until_cut],
                        max(0, self._octets_until_cut - len(data)),
                    )
                    writer.write(data)
                    if not self._octets_until_cut:
                        self.cut()
                        return
                else:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def proxy(vhost_url):
    """A proxy before the test's virtual host, accepting."""
    proxy = TcpProxy(URL(vhost_url))
    await proxy.accept()
    yield proxy
    proxy.flow()
    await proxy.refuse()


@pytest.fixture
async def started():
    """`await started(component)`: start it, and drain and close it after the test."""
    parts = []

    async def start(part):
        parts.append(part)
        await asyncio.wait_for(part.start(), LIMIT)
        return part

    yield start
    for part in reversed(parts):
        await asyncio.wait_for(part.drain(), LIMIT)
        await asyncio.wait_for(part.close(), LIMIT)


@pytest.fixture
async def broker(vhost_url, started):
    """A broker straight on the test's virtual host."""
    return await started(Broker(vhost_url, "test"))


@pytest.fixture
async def far_broker(proxy, started):
    """A broker behind the proxy."""
    return await started(Broker(proxy.url, "test"))


@pytest.fixture
def depth_becomes(broker):
    """`await depth_becomes(queue, messages)`: wait until so many AMQP messages are ready, and no more come."""

    async def wait(queue: Queue, messages: int) -> None:
        deadline = time.monotonic() + LIMIT
        while (depth := await broker.depth(queue)).messages != messages:
            assert time.monotonic() < deadline, f"{queue} has {depth.messages} messages, expected {messages}"
            await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def channel(vhost_url):
    """A channel of aio-pika's own, to look with and to do harm."""
    async with await aio_pika.connect(vhost_url) as connection:
        yield await connection.channel()


@pytest.fixture
def taken(channel):
    """`await taken(queue)`: take every ticket that a queue has now, as lists, one per AMQP message."""

    async def take(queue: Queue, seconds: float = 1.0) -> list[list[str]]:
        found = []
        source = await channel.get_queue(queue)
        while (message := await _got(source, seconds)) is not None:
            found.append([ticket.spool_id for ticket in TicketBatch.FromString(message.body).tickets])
            await message.ack()
        return found

    return take


async def _got(source, seconds: float):
    """Get a message; the last ones may still be on their way through the quorum."""
    deadline = time.monotonic() + seconds
    while (message := await source.get(fail=False)) is None and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # AMQP has no event to wait for
    return message
