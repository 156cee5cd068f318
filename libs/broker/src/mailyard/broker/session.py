"""One registration of a consumer with the broker: its channel, and the deliveries that are not settled.

A session ends with its channel. The broker redelivers unsettled messages, so settling in an ended session does
nothing. Deliveries are taken in the order of arrival, so one acknowledgement covers all earlier deliveries.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from google.protobuf.message import DecodeError
from pamqp.commands import Basic

from mailyard.broker.faults import faults
from mailyard.broker.link import RPC_SECONDS, BrokerLink, close_quietly
from mailyard.broker.pipeline import Queue
from mailyard.proto.v1.ticket_pb2 import Ticket, TicketBatch
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)

OnArrival = Callable[[Sequence[Ticket]], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One AMQP message. A handler may change `tickets`; `octets` stay as received."""

    tag: int
    tickets: Sequence[Ticket]
    octets: bytes = b""

    def parsed_again(self) -> Sequence[Ticket]:
        """Return the tickets as they came from the broker."""
        return tickets_of(self.octets)


class ConsumerSession:
    """Receives deliveries of one queue until its channel closes, the broker cancels it, or `end` is called."""

    def __init__(self, queue: Queue, channel: Channel, on_arrival: OnArrival) -> None:
        self.ended: str | None = None
        self.waiting: deque[Delivery] = deque()
        self._queue = queue
        self._channel = channel
        self._on_arrival = on_arrival
        self._consumer_tag = ""
        self._news = asyncio.Event()

    @classmethod
    async def open(
        cls, link: BrokerLink, queue: Queue, prefetch: int, on_arrival: OnArrival
    ) -> "ConsumerSession":
        """Open a channel and register; raises Unavailable."""
        session = cls(queue, await link.channel(), on_arrival)
        try:
            await session._register(prefetch)
        except BaseException:
            await session.close()
            raise
        return session

    async def _register(self, prefetch: int) -> None:
        self._channel.closing.add_done_callback(self._on_closed)
        self._channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        with faults(f"cannot consume {self._queue}"):
            await self._channel.basic_qos(prefetch_count=prefetch, timeout=RPC_SECONDS)
            answer = await self._channel.basic_consume(self._queue, self._on_message, timeout=RPC_SECONDS)
        self._consumer_tag = str(answer.consumer_tag)

    async def news(self) -> None:
        """Wait until something arrives or the session ends."""
        if not self.waiting and self.ended is None:
            self._news.clear()
            await self._news.wait()

    def take(self, max_tickets: int) -> list[Delivery]:
        """Take what waits, whole deliveries up to `max_tickets`, at least one; nothing once the session ended."""
        taken: list[Delivery] = []
        room = max_tickets
        while self.ended is None and self.waiting and (not taken or len(self.waiting[0].tickets) <= room):
            delivery = self.waiting.popleft()
            room -= len(delivery.tickets)
            taken.append(delivery)
        return taken

    def end(self, reason: str) -> None:
        """Take no more; the first reason counts."""
        if self.ended is None:
            self.ended = reason
        self._news.set()

    async def ack(self, last: Delivery) -> None:
        """Acknowledge this delivery and all that were taken before it; it must not be settled yet."""
        await _settle(self._channel.basic_ack(last.tag, multiple=True, wait=False))

    async def reject(self, delivery: Delivery) -> None:
        """Send a delivery to the dead-letter exchange."""
        await _settle(self._channel.basic_reject(delivery.tag, requeue=False, wait=False))

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let the broker deliver these to another consumer. No failure of theirs: nack, not reject."""
        for delivery in deliveries:
            await _settle(self._channel.basic_nack(delivery.tag, requeue=True, wait=False))

    async def cancel(self) -> None:
        """Deregister, and give back what waits; what was taken may still be settled."""
        if self.ended is None:
            self.end("deregistered")
            await _settle(self._channel.basic_cancel(self._consumer_tag, timeout=RPC_SECONDS))
        rest = list(self.waiting)
        self.waiting.clear()
        await self.give_back(rest)

    async def close(self) -> None:
        """Close the channel; the broker redelivers what is unsettled."""
        self.end("closed")
        await close_quietly(self._channel)

    async def _on_message(self, message: DeliveredMessage) -> None:
        assert message.delivery_tag is not None
        delivery = Delivery(message.delivery_tag, tickets_of(message.body), message.body)
        if self.ended is not None:
            await self.give_back([delivery])
        elif not delivery.tickets:
            _log.error("consumer.unparsable", queue=self._queue, octets=len(message.body))
            await self.reject(delivery)
        else:
            self._on_arrival(delivery.tickets)
            self.waiting.append(delivery)
            self._news.set()

    def _on_closed(self, closing: "asyncio.Future[object]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self.end(f"the channel closed: {error}" if error else "the channel closed")

    def _on_cancelled(self, _frame: Basic.Cancel | Basic.CancelOk) -> None:
        self.end("the broker cancelled the consumer; was the queue deleted?")


def tickets_of(body: bytes) -> Sequence[Ticket]:
    """Read the tickets of an AMQP message; empty if it is not a batch of tickets."""
    try:
        return TicketBatch.FromString(body).tickets
    except DecodeError:
        return ()


async def _settle(step: Awaitable[object]) -> None:
    """Do a step that means nothing any more when the channel has closed meanwhile: then all is redelivered."""
    with contextlib.suppress(Unavailable), faults("settle"):
        await step
