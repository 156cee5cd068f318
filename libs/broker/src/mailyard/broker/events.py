"""Mailbox events: wake the sessions, in any process, that have a mailbox open.

Best effort by design: an event is published without confirm and may be lost while RabbitMQ is unreachable. Each time a
mailbox's events begin to arrive, its subscribers get an event without an account, and then read the mailbox.

A process binds its queue to shards of mailboxes, not to mailboxes: however many mailboxes it watches, it has at most
`SHARDS` bindings to make after a reconnection, and RabbitMQ has no more to keep.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from google.protobuf.message import DecodeError
from pamqp.commands import Basic
from pamqp.common import FieldValue

from mailyard.broker.cancellation import cancel_and_wait
from mailyard.broker.connection import Broker
from mailyard.broker.faults import describe, faults
from mailyard.broker.link import RPC_SECONDS, close_quietly
from mailyard.broker.reusablechannel import ReusableChannel
from mailyard.broker.topology import EVENTS_EXCHANGE
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent, MailboxEventBatch
from mailyard.runtime.backoff import Backoff
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter

EVENTS_PER_MESSAGE = 50
SHARDS = 256
# A process that does not read loses the oldest events, which does no harm.
QUEUE_ARGUMENTS: Mapping[str, FieldValue] = {"x-max-length": 50_000}

Callback = Callable[[MailboxEvent], None]

_log = get_logger(__name__)
_PUBLISHED = counter("mailyard_broker_events_published_total")
_DROPPED = counter("mailyard_broker_events_dropped_total")
_RECEIVED = counter("mailyard_broker_events_received_total")


class MailboxEvents:
    """Component: one exclusive queue per process, bound to the shards of the mailboxes that it has open."""

    def __init__(self, broker: Broker) -> None:
        self.name = "mailbox events"
        self._broker = broker
        self._callbacks: defaultdict[str, list[Callback]] = defaultdict(list)
        self._sending = ReusableChannel(broker.publishing)
        self._wanted_shards: defaultdict[str, set[str]] = defaultdict(set)  # mailboxes by shard
        self._bound: set[str] = set()  # shards
        self._unsettled = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start; the queue is declared with the first subscription."""
        self._task = asyncio.create_task(self._keep(), name="mailbox-events")

    def not_ready_reason(self) -> str | None:
        """Return None: a lost event is only a delay, because sessions also poll."""
        return None

    async def drain(self) -> None:
        """Do nothing: no event is unfinished."""

    async def close(self) -> None:
        """Stop; the queue is deleted with the consuming connection."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self._sending.close()

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        """Publish to all processes; an unreachable broker is no error."""
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

        Returns at once. When the mailbox's shard is not bound yet, the binding follows, and a first event with it.
        """
        self._callbacks[mailbox_id].append(callback)
        shard = shard_of(mailbox_id)
        self._wanted_shards[shard].add(mailbox_id)
        if shard not in self._bound:
            self._unsettled.set()
        self._wanted.set()

    async def unsubscribe(self, mailbox_id: str, callback: Callback) -> None:
        """Undo one `subscribe`."""
        callbacks = self._callbacks.get(mailbox_id, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks:
            self._callbacks.pop(mailbox_id, None)
            shard = shard_of(mailbox_id)
            self._wanted_shards[shard].discard(mailbox_id)
            if not self._wanted_shards[shard]:
                del self._wanted_shards[shard]
                self._unsettled.set()

    async def _keep(self) -> None:
        """Have a queue, as long as someone wants to receive."""
        await self._wanted.wait()
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                await self._receive()
                backoff.reset()
            except Unavailable as error:
                _log.debug("events.lost", error=describe(error))  # the connection reports this
            await backoff.wait()
            with contextlib.suppress(Unavailable, Misconfigured):  # the connection reports this
                await self._broker.consuming.declare()  # someone may have deleted the exchange

    async def _receive(self) -> None:
        """Make the queue, bind what is subscribed to, and receive until the channel closes."""
        channel = await self._broker.consuming.channel()
        binding: asyncio.Task[None] | None = None
        try:
            with faults("mailbox events"):
                declared = await channel.queue_declare(
                    exclusive=True, auto_delete=True, arguments=dict(QUEUE_ARGUMENTS), timeout=RPC_SECONDS
                )
                queue = str(declared.queue)
                await channel.basic_consume(queue, self._on_message, no_ack=True, timeout=RPC_SECONDS)
            self._bound.clear()
            self._unsettled.set()
            binding = asyncio.create_task(self._keep_bindings(channel, queue), name="mailbox-event-bindings")
            await asyncio.wait((channel.closing,))
        finally:
            if binding is not None:
                await cancel_and_wait(binding)
            self._bound.clear()
            await close_quietly(channel)
        _log.info("events.lost")

    async def _keep_bindings(self, channel: Channel, queue: str) -> None:
        """Keep the queue's bindings equal to what is subscribed to, for as long as the channel is open."""
        backoff = Backoff(0.2, 5.0)
        while not channel.is_closed:
            await self._unsettled.wait()
            self._unsettled.clear()
            try:
                with faults("mailbox events"):
                    await self._settle(channel, queue)
            except (Unavailable, Misconfigured) as error:
                _log.warning("events.binding_failed", error=describe(error))
                self._unsettled.set()
                await backoff.wait()
            else:
                backoff.reset()

    async def _settle(self, channel: Channel, queue: str) -> None:
        """Bind and unbind. Only the last request waits for its answer: RabbitMQ works in order, and a failure closes."""
        missing = list(self._wanted_shards.keys() - self._bound)
        for shard in missing[:-1]:
            await channel.queue_bind(queue, EVENTS_EXCHANGE, shard, nowait=True, timeout=RPC_SECONDS)
        for shard in missing[-1:]:
            await channel.queue_bind(queue, EVENTS_EXCHANGE, shard, timeout=RPC_SECONDS)
        self._bound.update(missing)
        for shard in missing:
            for mailbox in list(self._wanted_shards.get(shard, ())):
                self._dispatch(MailboxEvent(mailbox=mailbox))
        for shard in self._bound - self._wanted_shards.keys():
            await channel.queue_unbind(queue, EVENTS_EXCHANGE, shard, timeout=RPC_SECONDS)
            self._bound.discard(shard)
            if shard in self._wanted_shards:  # wanted again meanwhile
                self._unsettled.set()

    async def _on_message(self, message: DeliveredMessage) -> None:
        try:
            batch = MailboxEventBatch.FromString(message.body)
        except DecodeError:
            return  # it was not published by Mailyard
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


def shard_of(mailbox: str) -> str:
    """Return the routing key of a mailbox's shard."""
    return f"shard.{crc32(mailbox.encode()) % SHARDS:02x}"


async def _send(channel: Channel, events: Sequence[MailboxEvent]) -> None:
    """Publish events of many mailboxes in one AMQP message.

    It is routed by the first key and by those in the BCC header (RabbitMQ's "sender-selected distribution"); a queue
    gets it once, however many of them it is bound to. The keys are the shards, and the mailboxes for receivers of
    version 0.2.0.
    """
    mailboxes = dict.fromkeys(event.mailbox for event in events)
    first, *others = [*dict.fromkeys(map(shard_of, mailboxes)), *mailboxes]
    await channel.basic_publish(
        MailboxEventBatch(events=events).SerializeToString(),
        exchange=EVENTS_EXCHANGE,
        routing_key=first,
        properties=Basic.Properties(headers={"BCC": list(others)}),
        wait=False,
    )
