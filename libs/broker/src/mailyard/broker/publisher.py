"""Publish tickets: many in one AMQP message, persistent and mandatory, and wait for every confirm.

When `publish` returns, a majority of the broker's nodes has the tickets on disk. When `publish` raises
`PublishFailed`, the broker may have some of the tickets: the rows are the truth, and a doubled ticket does no harm.
"""

import asyncio
import functools
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.commands import Basic
from prometheus_client import Counter, Histogram

from mailyard.broker.connection import Broker
from mailyard.broker.faults import describe, faults
from mailyard.broker.pipeline import Queue
from mailyard.broker.reusablechannel import ReusableChannel
from mailyard.proto.v1.ticket_pb2 import Ticket, TicketBatch
from mailyard.runtime.batches import batches
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram

TICKETS_PER_MESSAGE = 50
OCTETS_PER_MESSAGE = 1 << 20  # far below max_message_size (16 MiB on RabbitMQ 4)
CONFIRM_SECONDS = 10.0
PERSISTENT = 2

_log = get_logger(__name__)


class PublishFailed(Unavailable):
    """Some tickets were not confirmed: `tickets` are those. They may or may not have reached the queue."""

    def __init__(self, queue: Queue, tickets: Sequence[Ticket], reason: str) -> None:
        super().__init__(f"{len(tickets)} tickets for {queue} are not confirmed: {reason}")
        self.tickets = tuple(tickets)


@dataclass(frozen=True, slots=True)
class Published:
    """What one publisher has put into one queue since the process began; confirmed only."""

    tickets_out: int
    messages_out: int


@dataclass(frozen=True, slots=True)
class _Measures:
    """The metrics of one queue, looked up once; a queue that was published to shows its failures too, as 0."""

    tickets: Counter
    messages: Counter
    failures: Counter
    confirm_seconds: Histogram


@functools.cache
def _measures(queue: Queue) -> _Measures:
    return _Measures(
        counter("mailyard_broker_published_tickets_total").labels(queue),
        counter("mailyard_broker_published_messages_total").labels(queue),
        counter("mailyard_broker_publish_failures_total").labels(queue),
        histogram("mailyard_broker_confirm_seconds").labels(queue),
    )


class TicketPublisher:
    """Publishes to any queue over the broker's publishing connection; many calls may be in flight."""

    def __init__(self, broker: Broker, *, confirm_seconds: float = CONFIRM_SECONDS) -> None:
        self._link = broker.publishing
        self._channel = ReusableChannel(broker.publishing, confirms=True)
        self._confirm_seconds = confirm_seconds
        self._failing = False
        self._tickets: defaultdict[Queue, int] = defaultdict(int)
        self._messages: defaultdict[Queue, int] = defaultdict(int)

    async def publish(self, queue: Queue, tickets: Sequence[Ticket]) -> None:
        """Publish tickets and wait until all are confirmed; raises PublishFailed with those that are not."""
        messages = list(_batches(tickets))
        if not messages:
            return
        if len(messages) == 1:
            failures = [await self._confirmed(queue, messages[0])]
        else:
            failures = await asyncio.gather(*(self._confirmed(queue, batch) for batch in messages))
        reasons = [reason for reason in failures if reason is not None]
        if reasons:
            lost = [t for batch, reason in zip(messages, failures, strict=True) if reason for t in batch]
            self._note(failing=True, queue=queue, reason=reasons[0])
            raise PublishFailed(queue, lost, reasons[0])
        if self._failing:
            self._note(failing=False, queue=queue, reason="")

    def progress(self) -> Mapping[Queue, Published]:
        """Return the counts of every queue that was published to."""
        return {
            queue: Published(self._tickets[queue], messages) for queue, messages in self._messages.items()
        }

    async def _confirmed(self, queue: Queue, batch: Sequence[Ticket]) -> str | None:
        """Publish one AMQP message; return why it is not confirmed, or None when it is."""
        body = TicketBatch(tickets=batch).SerializeToString()
        began = time.monotonic()
        try:
            with faults("not confirmed"):
                async with asyncio.timeout(self._confirm_seconds):
                    await self._send(queue, body)
        except Unavailable as error:
            _measures(queue).failures.inc()
            return await self._diagnosed(error)
        self._count(queue, len(batch), time.monotonic() - began)
        return None

    async def _diagnosed(self, error: Unavailable) -> str:
        """Say why, and put back what is missing."""
        match error.__cause__:
            case TimeoutError():
                return f"no confirm within {self._confirm_seconds:g} s (blocked, overloaded or without a majority)"
            case PublishError() | ChannelNotFoundEntity() as cause:  # before DeliveryError, its base
                await self._declare_again()
                return f"the queue or its exchange was gone: {describe(cause)}"
            case DeliveryError():
                self._channel.renew()  # RabbitMQ goes on refusing on a channel after the limit was lifted
                return "RabbitMQ refuses it: the queue is full, or has no majority"
            case _:
                return describe(error)

    async def _send(self, queue: Queue, body: bytes) -> None:
        channel = await self._channel.open()
        await channel.basic_publish(
            body,
            exchange=queue.exchange,
            routing_key=queue,
            properties=Basic.Properties(delivery_mode=PERSISTENT, content_type="application/x-protobuf"),
            mandatory=True,
            wait=False,  # for the socket: the confirm comes later anyway
        )

    async def _declare_again(self) -> None:
        """Put back a queue or an exchange that someone deleted."""
        try:
            await self._link.declare()
        except (Unavailable, Misconfigured) as error:
            _log.warning("broker.connection_failed", purpose="publish", error=str(error))

    def _note(self, *, failing: bool, queue: Queue, reason: str) -> None:
        """Log the first failure and the end of failing, not each of thousands."""
        if failing and not self._failing:
            _log.warning("broker.publish_failed", queue=queue, error=reason)
        elif not failing:
            _log.info("broker.publish_recovered", queue=queue)
        self._failing = failing

    def _count(self, queue: Queue, tickets: int, seconds: float) -> None:
        self._tickets[queue] += tickets
        self._messages[queue] += 1
        measures = _measures(queue)
        measures.tickets.inc(tickets)
        measures.messages.inc()
        measures.confirm_seconds.observe(seconds)


def _batches(tickets: Sequence[Ticket]) -> Iterator[list[Ticket]]:
    """Cut tickets into AMQP messages, bounded in number and octets."""
    return batches(tickets, lambda ticket: (1, ticket.ByteSize()), TICKETS_PER_MESSAGE, OCTETS_PER_MESSAGE)
