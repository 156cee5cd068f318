"""Consume tickets of one queue: one handler call in flight; tickets that arrive meanwhile form the next call.

Tickets are acknowledged after the handler has returned; `handling.py` has the rules for a handler that fails. A
consumer reports why it makes no progress: it is not registered, a call lasts too long, or tickets wait in the queue
and none arrive. In the last case it registers again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiormq.exceptions import ChannelNotFoundEntity

from mailyard.broker.cancellation import cancel_and_wait
from mailyard.broker.connection import Broker
from mailyard.broker.faults import describe
from mailyard.broker.handling import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    GivenUp,
    Handler,
    Handling,
    OnPoison,
)
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.session import ConsumerSession, Delivery
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.backoff import Backoff, pause
from mailyard.runtime.errors import Misconfigured, Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one consumer has taken from its queue since the process began; redeliveries count again.

    `taken_until_ms` is the latest release time that has come: queues are first in, first out, so a ticket that was
    released well before it and is in nobody's hand is lost. 0 and None: nothing yet, nothing in hand.
    """

    queue: Queue
    tickets_in: int
    messages_in: int
    tickets_done: int
    tickets_in_hand: int
    taken_until_ms: int
    oldest_in_hand_ms: int | None


class TicketConsumer:
    """Component: feeds one queue's tickets to `handler`, at most `max_tickets` at a time.

    `prefetch` bounds the AMQP messages (of up to 50 tickets) that this process holds. `on_poison` writes the row
    of a ticket that cannot be handled. A call longer than `handler_seconds` makes the process not ready.
    """

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        handler: Handler,
        *,
        max_tickets: int = 200,
        prefetch: int = 16,
        on_poison: OnPoison | None = None,
        handler_seconds: float = 120.0,
        probe_seconds: float = 15.0,
    ) -> None:
        self.name = f"consumer of {queue}"
        self._broker = broker
        self._queue = queue
        self._max_tickets = max_tickets
        self._prefetch = prefetch
        self._handler_seconds = handler_seconds
        self._probe_seconds = probe_seconds
        self._handling = Handling(queue, handler, on_poison, TicketPublisher(broker))
        self._session: ConsumerSession | None = None
        self._unregistered: str | None = "not registered yet"
        self._stopping = asyncio.Event()
        self._work_task: asyncio.Task[None] | None = None
        self._probe_task: asyncio.Task[None] | None = None
        self._in_hand: Sequence[Delivery] = ()
        self._tickets_in = self._messages_in = self._tickets_done = 0
        self._taken_until_ms = 0
        self._tickets_total = counter("mailyard_broker_consumed_tickets_total").labels(queue)
        self._messages_total = counter("mailyard_broker_consumed_messages_total").labels(queue)
        self._stalls_total = counter("mailyard_broker_consumer_stalls_total").labels(queue)

    async def start(self) -> None:
        """Begin to consume; registration goes on in the background and `not_ready_reason()` reports it."""
        self._work_task = asyncio.create_task(self._work(), name=f"consume-{self._queue}")
        self._probe_task = asyncio.create_task(self._probe(), name=f"probe-{self._queue}")

    def not_ready_reason(self) -> str | None:
        """Say why this consumer does not move."""
        if self._unregistered is not None:
            return self._unregistered
        if self._handling.waits_for is not None:
            return f"waits for an unreachable server: {self._handling.waits_for}"
        seconds = self._handling.lasts_seconds()
        return f"a handler call has lasted {seconds:.0f} s" if seconds > self._handler_seconds else None

    async def drain(self) -> None:
        """Deregister, give back what waits, finish what is in hand."""
        self._stopping.set()
        self._handling.stop()
        if self._session is not None:
            await self._session.cancel()
        if self._work_task is not None:
            await asyncio.wait((self._work_task,))
            _log.info("consumer.drained", queue=self._queue, tickets_done=self._tickets_done)

    async def close(self) -> None:
        """Let go; tickets whose handler has not returned are redelivered to another consumer."""
        self._stopping.set()
        self._handling.stop()
        await cancel_and_wait(*(task for task in (self._work_task, self._probe_task) if task is not None))
        await self._close_session()

    def progress(self) -> Progress:
        """Return what has been taken and what is in hand."""
        waiting = tuple(self._session.waiting) if self._session else ()
        in_hand = [ticket for delivery in (*self._in_hand, *waiting) for ticket in delivery.tickets]
        return Progress(
            queue=self._queue,
            tickets_in=self._tickets_in,
            messages_in=self._messages_in,
            tickets_done=self._tickets_done,
            tickets_in_hand=len(in_hand),
            taken_until_ms=self._taken_until_ms,
            oldest_in_hand_ms=min((ticket.released_at_ms for ticket in in_hand), default=None),
        )

    async def _work(self) -> None:
        """Register, consume until the session ends, and again, until stopped."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopping.is_set():
            try:
                session = await self._open_session()
                backoff.reset()
                await self._consume(session)
                self._note_loss(f"{session.ended}")
            except Unavailable as error:
                self._unregistered = f"not registered: {describe(error)}"
            except Exception as error:  # a fault of this program: log it, and let the tickets be redelivered
                self._note_loss(describe(error), error)
            if not self._stopping.is_set():
                await self._close_session()
                await backoff.wait(self._stopping)

    def _note_loss(self, reason: str, fault: Exception | None = None) -> None:
        self._unregistered = f"not registered: {reason}"
        if not self._stopping.is_set():
            _log.warning("consumer.lost", queue=self._queue, error=reason, exc_info=fault)

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _open_session(self) -> ConsumerSession:
        try:
            session = await ConsumerSession.open(
                self._broker.consuming, self._queue, self._prefetch, self._note_arrival
            )
        except Unavailable as error:
            if isinstance(error.__cause__, ChannelNotFoundEntity):
                await self._declare_again()
            raise
        self._session, self._unregistered = session, None
        _log.info("consumer.registered", queue=self._queue)
        return session

    async def _declare_again(self) -> None:
        """Put back a queue that someone deleted."""
        try:
            await self._broker.consuming.declare()
        except Misconfigured as error:
            raise Unavailable(str(error)) from error

    async def _consume(self, session: ConsumerSession) -> None:
        """Handle what comes, in order, until the session ends."""
        while session.ended is None:
            if self._stopping.is_set():
                await session.cancel()  # drain() came during the registration
                return
            await session.news()
            if deliveries := session.take(self._max_tickets):
                await self._settle(session, deliveries)

    async def _settle(self, session: ConsumerSession, deliveries: list[Delivery]) -> None:
        """Have deliveries handled; then acknowledge them, or give them back."""
        self._in_hand = tuple(deliveries)
        try:
            await self._handling.handle(session, deliveries)
        except GivenUp:
            await session.give_back(deliveries)
        else:
            self._tickets_done += sum(len(delivery.tickets) for delivery in deliveries)
            if deliveries:
                await session.ack(deliveries[-1])
        finally:
            self._in_hand = ()

    async def _probe(self) -> None:
        """Register anew when the broker has mail, or has lost the registration, and nothing arrives."""
        while not self._stopping.is_set():
            seen = self._messages_in
            await pause(self._probe_seconds, self._stopping)
            if await self._is_stalled(seen):
                await pause(self._probe_seconds / 8, self._stopping)  # it may have come at this moment
                if await self._is_stalled(seen):
                    self._note_stall()

    async def _is_stalled(self, messages_seen: int) -> bool:
        session = self._session
        if (
            session is None
            or session.ended is not None
            or self._in_hand
            or messages_seen != self._messages_in
        ):
            return False
        try:
            depth = await self._broker.depth(self._queue)
        except Unavailable:
            return False  # the connection reports this
        return depth.messages > 0 or depth.consumers == 0

    def _note_stall(self) -> None:
        self._stalls_total.inc()
        _log.error("consumer.stalled", queue=self._queue)
        if self._session is not None:
            self._session.end(
                "stalled: the queue has messages, or has lost the registration, and none arrives"
            )

    def _note_arrival(self, tickets: Sequence[Ticket]) -> None:
        self._messages_in += 1
        self._tickets_in += len(tickets)
        self._taken_until_ms = max(self._taken_until_ms, *(ticket.released_at_ms for ticket in tickets))
        self._tickets_total.inc(len(tickets))
        self._messages_total.inc()
