"""Mailbox events: wake the sessions, in any process, that have a mailbox open.

Best effort by design: an event is published without confirm and may be lost while RabbitMQ is away. Each time the
queue is made anew, every subscriber gets an event with `highest_modseq` 0, which says: look yourself.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from google.protobuf.message import DecodeError
from pamqp.commands import Basic
from pamqp.common import FieldValue

from mailyard.broker.backoff import Backoff
from mailyard.broker.connection import Broker
from mailyard.broker.ending import end
from mailyard.broker.faults import describe, faults
from mailyard.broker.keptchannel import KeptChannel
from mailyard.broker.link import RPC_SECONDS, close_quietly
from mailyard.broker.topology import EVENTS_EXCHANGE
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent, MailboxEventBatch
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter

EVENTS_PER_MESSAGE = 50
QUEUE_ARGUMENTS: Mapping[str, FieldValue] = {
    "x-max-length": 50_000
}  # who stands still loses the oldest: no harm

Callback = Callable[[MailboxEvent], None]

_log = get_logger(__name__)
_PUBLISHED = counter("mailyard_broker_events_published_total")
_DROPPED = counter("mailyard_broker_events_dropped_total")
_RECEIVED = counter("mailyard_broker_events_received_total")


class MailboxEvents:
    """Component: one exclusive queue per process, bound to the mailboxes that it has open."""

    def __init__(self, broker: Broker) -> None:
        self.name = "mailbox events"
        self._broker = broker
        self._callbacks: defaultdict[str, list[Callback]] = defaultdict(list)
        self._sending = KeptChannel(broker.publishing)
        self._binding = asyncio.Lock()
        self._receiving: Channel | None = None
        self._queue = ""
        self._bound: set[str] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the queue is made when something is subscribed to for the first time."""
        self._task = asyncio.create_task(self._keep(), name="mailbox-events")

    def unready(self) -> str | None:
        """Never a reason: a lost event is a delay, and readers look for themselves."""
        return None

    async def drain(self) -> None:
        """Nothing to finish."""

    async def close(self) -> None:
        """Stop; the queue goes with the consuming connection."""
        if self._task is not None:
            await end(self._task)
        await self._sending.close()

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        """Tell all processes; never raises for a broker that is away."""
        try:
            channel = await self._sending.open()
            with faults("event"):
                for start in range(0, len(events), EVENTS_PER_MESSAGE):
                    await _send(channel, events[start : start + EVENTS_PER_MESSAGE])
        except Unavailable:
            _DROPPED.inc(len(events))
        else:
            _PUBLISHED.inc(len(events))

    async def subscribe(self, mailbox_id: str, callback: Callback) -> None:
        """Call `callback`, in the event loop, for each event of a mailbox; it must not block.

        Returns when the broker has the binding, or at once while it is away: the binding follows, and a first
        event with it.
        """
        self._callbacks[mailbox_id].append(callback)
        self._wanted.set()
        await self._settle_bindings()

    async def unsubscribe(self, mailbox_id: str, callback: Callback) -> None:
        """Undo one `subscribe`."""
        callbacks = self._callbacks.get(mailbox_id, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            self._callbacks.pop(mailbox_id, None)
        await self._settle_bindings()

    async def _keep(self) -> None:
        """Have a queue, as long as someone wants to receive."""
        await self._wanted.wait()
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                await self._receive()
                backoff.reset()
            except Unavailable as error:
                _log.debug("events.lost", error=describe(error))  # the connection says so itself
            await backoff.wait()
            with contextlib.suppress(Unavailable, Misconfigured):  # the connection says so itself
                await self._broker.consuming.declare()  # someone may have deleted the exchange

    async def _receive(self) -> None:
        """Make the queue, bind what is subscribed to, and receive until the channel closes."""
        channel = await self._broker.consuming.channel()
        try:
            with faults("mailbox events"):
                declared = await channel.queue_declare(
                    exclusive=True, auto_delete=True, arguments=dict(QUEUE_ARGUMENTS), timeout=RPC_SECONDS
                )
                queue = str(declared.queue)
                await channel.basic_consume(queue, self._on_message, no_ack=True, timeout=RPC_SECONDS)
            async with self._binding:
                self._receiving, self._queue = channel, queue
                self._bound.clear()
            await self._settle_bindings()
            for mailbox in list(self._callbacks):
                self._dispatch(MailboxEvent(mailbox=mailbox))
            await asyncio.wait((channel.closing,))
        finally:
            await close_quietly(channel)
        _log.info("events.lost")

    async def _settle_bindings(self) -> None:
        """Make the queue's bindings equal to what is subscribed to."""
        async with self._binding:
            channel = self._receiving
            if channel is None or channel.is_closed:
                return  # _receive comes back here
            with contextlib.suppress(Unavailable), faults("mailbox events"):
                for mailbox in self._callbacks.keys() - self._bound:
                    await channel.queue_bind(self._queue, EVENTS_EXCHANGE, mailbox, timeout=RPC_SECONDS)
                    self._bound.add(mailbox)
                for mailbox in self._bound - self._callbacks.keys():
                    await channel.queue_unbind(self._queue, EVENTS_EXCHANGE, mailbox, timeout=RPC_SECONDS)
                    self._bound.discard(mailbox)

    async def _on_message(self, message: DeliveredMessage) -> None:
        try:
            batch = MailboxEventBatch.FromString(message.body)
        except DecodeError:
            return  # whoever published it is not one of us
        for event in batch.events:
            if event.mailbox in self._callbacks:
                _RECEIVED.inc()
                self._dispatch(event)

    def _dispatch(self, event: MailboxEvent) -> None:
        for callback in tuple(self._callbacks.get(event.mailbox, ())):
            try:
                callback(event)
            except Exception:
                _log.exception("events.callback_failed", mailbox=event.mailbox)


async def _send(channel: Channel, events: Sequence[MailboxEvent]) -> None:
    """Publish events of many mailboxes in one AMQP message.

    It is routed by the first mailbox and by those in the BCC header (RabbitMQ's "sender-selected distribution"); a queue
    gets it once, however many of them it is bound to.
    """
    first, *others = dict.fromkeys(event.mailbox for event in events)
    await channel.basic_publish(
        MailboxEventBatch(events=events).SerializeToString(),
        exchange=EVENTS_EXCHANGE,
        routing_key=first,
        properties=Basic.Properties(headers={"BCC": list(others)} if others else None),
        wait=False,
    )
