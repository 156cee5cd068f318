"""CPU and rate of publishing and consuming tickets, on a real RabbitMQ.

    python bench/broker.py amqp://guest:guest@127.0.0.1:5672/bench [messages]

Use a virtual host of its own: the queue `local.filter` is emptied. Prints, per way of working, AMQP messages per
second and the CPU of this process per AMQP message and per ticket (the broker's own CPU is not in it).
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import uvloop

from mailyard.broker.connection import Broker
from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.logs import configure_logs

QUEUE = Queue.LOCAL_FILTER


def ticket(number: int) -> Ticket:
    """Return a ticket as big as those of real mail."""
    return Ticket(
        spool_id=f"{number:020d}",
        tenant="acme",
        released_at_ms=number,
        sender="sender@example.org",
        recipients=[Recipient(address="recipient@example.net", tenant="acme", account="0" * 24)],
        blob_id=b"\0" * 12,
        size=7000,
        prefix=b"Received: from client.example.org by mx.example.net; Mon, 23 Nov 2026 15:00:00 +0000\r\n"
        * 3,
    )


async def measured(label: str, messages: int, per_message: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`, print its cost."""
    wall, cpu = time.monotonic(), time.process_time()
    await work()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    print(
        f"{label:44} {messages / wall:8.0f} messages/s {cpu / messages * 1e6:7.0f} µs CPU/message"
        f" {cpu / messages / per_message * 1e6:7.1f} µs CPU/ticket"
    )


async def publish(
    publisher: TicketPublisher, messages: int, in_flight: int, tickets: Sequence[Ticket]
) -> None:
    """Publish `messages` AMQP messages with `in_flight` callers."""

    async def caller() -> None:
        for _ in range(messages // in_flight):
            await publisher.publish(QUEUE, tickets)

    await asyncio.gather(*(caller() for _ in range(in_flight)))


async def consume(broker: Broker, tickets: int) -> None:
    """Take everything out, with a handler that does nothing."""
    done = asyncio.Event()
    seen = 0

    async def handler(batch: Sequence[Ticket]) -> None:
        nonlocal seen
        seen += len(batch)
        if seen >= tickets:
            done.set()

    consumer = TicketConsumer(broker, QUEUE, handler)
    await consumer.start()
    await done.wait()
    await consumer.drain()
    await consumer.close()


async def main(url: str, messages: int) -> None:
    """Measure each way of working in turn."""
    configure_logs("bench", "warning", "console")
    broker = Broker(url, "bench")
    await broker.start()
    publisher = TicketPublisher(broker)
    for per_message, in_flight in ((1, 1), (1, 16), (10, 16), (50, 16)):
        batch = [ticket(number) for number in range(per_message)]
        label = f"{per_message} ticket(s) a message"
        await measured(
            f"publish, {label}, {in_flight} in flight",
            messages,
            per_message,
            partial(publish, publisher, messages, in_flight, batch),
        )
        await measured(
            f"consume, {label}",
            messages,
            per_message,
            partial(consume, broker, messages * per_message),
        )
    await broker.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3200))
