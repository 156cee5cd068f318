"""Call a handler with tickets, and decide what happens when it fails.

handler returns            the tickets are done
handler is Unavailable     the same tickets again, after a pause, until the call succeeds or the session ends
any other error            each ticket alone; a ticket that still fails is poison: `on_poison` writes its row,
                           otherwise it goes to the dead-letter queue

A handler may change its tickets: each further attempt gets tickets as received from the broker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy

from mailyard.broker.faults import cancelled, describe
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.session import ConsumerSession, Delivery
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.backoff import Backoff
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter, histogram
from mailyard.runtime.tracing import StageSpan, stage_spans

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0

Handler = Callable[[Sequence[Ticket]], Awaitable[None]]
OnPoison = Callable[[Ticket, Exception], Awaitable[None]]

_log = get_logger(__name__)


def entered_ms(ticket: Ticket) -> int:
    """Return when a ticket entered its queue: at the last event of its timeline, or at its release if that is later."""
    return max(ticket.released_at_ms, ticket.timeline[-1].at_ms) if ticket.timeline else ticket.released_at_ms


def _end(spans: Sequence[StageSpan], *, failed: bool = False) -> None:
    for span in spans:
        span.end(failed=failed)


class GivenUp(Exception):
    """The tickets go back to the broker: the process stops, or the session has ended."""


class Handling:
    """Calls one consumer's handler; one call at a time."""

    def __init__(
        self, queue: Queue, handler: Handler, on_poison: OnPoison | None, dead_letters: TicketPublisher
    ) -> None:
        self.waits_for: str | None = None
        self._queue = queue
        self._handler = handler
        self._on_poison = on_poison
        self._dead_letters = dead_letters
        self._began: float | None = None
        self._stopping = asyncio.Event()
        self._seconds = histogram("mailyard_broker_handler_seconds").labels(queue)
        self._sizes = histogram("mailyard_broker_handler_tickets").labels(queue)
        self._attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": str(queue)}
        self._waits = histogram("mailyard_queue_wait_seconds").labels(queue)
        self._poison_total = counter("mailyard_broker_poison_tickets_total").labels(queue)

    def stop(self) -> None:
        """Let a call in flight end, and make no further attempt."""
        self._stopping.set()

    def lasts_seconds(self) -> float:
        """Return for how long the call in flight has lasted; 0 without one."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    async def handle(self, session: ConsumerSession, deliveries: list[Delivery]) -> None:
        """Handle deliveries; rejected deliveries are removed from the list. Raises GivenUp."""
        tickets = [ticket for delivery in deliveries for ticket in delivery.tickets]
        self._note_waits(tickets)
        spans = stage_spans(f"{self._queue} process", tickets, self._attributes)
        try:
            await self._call(
                session,
                tickets,
                lambda: [each for delivery in deliveries for each in delivery.parsed_again()],
            )
            _end(spans)
        except GivenUp:
            _end(spans, failed=True)
            raise
        except Exception as error:
            _end(spans, failed=True)
            _log.exception(
                "consumer.handler_failed", queue=self._queue, tickets=len(tickets), error=describe(error)
            )
            await self._one_by_one(session, deliveries)

    async def _one_by_one(self, session: ConsumerSession, deliveries: list[Delivery]) -> None:
        for delivery in tuple(deliveries):
            tickets = delivery.parsed_again()
            poison = [ticket for ticket in tickets if not await self._alone(session, ticket)]
            if len(poison) == len(tickets):
                await session.reject(delivery)
                deliveries.remove(delivery)
            elif poison:
                await self._bury(session, poison)

    async def _bury(self, session: ConsumerSession, poison: Sequence[Ticket]) -> None:
        """Put single tickets of an AMQP message into the dead-letter queue: its others are done."""
        await self._persist(session, lambda: self._dead_letters.publish(Queue.DEAD, poison))

    async def _alone(self, session: ConsumerSession, ticket: Ticket) -> bool:
        """Handle one ticket; return False if it is poison and its row was not written."""
        try:
            await self._call(session, [deepcopy(ticket)], lambda: [deepcopy(ticket)])
        except GivenUp:
            raise
        except Exception as error:
            self._poison_total.inc()
            self._log_poison(ticket, error)
            return await self._noted(session, ticket, error)
        return True

    async def _noted(self, session: ConsumerSession, ticket: Ticket, error: Exception) -> bool:
        """Have the stage write the row of a poison ticket; return False if the stage has no `on_poison` or it fails."""
        on_poison = self._on_poison
        if on_poison is None:
            return False
        try:
            await self._persist(session, lambda: on_poison(deepcopy(ticket), error))
        except GivenUp:
            raise
        except Exception as failure:
            self._log_poison(ticket, failure)
            return False
        return True

    def _log_poison(self, ticket: Ticket, error: Exception) -> None:
        _log.error(
            "consumer.poison",
            queue=self._queue,
            spool_id=ticket.spool_id,
            leg=ticket.leg,
            error=describe(error),
            exc_info=error,
        )

    async def _call(
        self, session: ConsumerSession, tickets: Sequence[Ticket], again: Callable[[], Sequence[Ticket]]
    ) -> None:
        """Call the handler with `tickets`, and for each further try with what `again` returns.

        In the end `tickets` hold what the last try has noted, for the spans.
        """
        last: Sequence[Ticket] | None = None

        async def step() -> None:
            nonlocal last
            last = tickets if last is None else again()
            await self._handler(list(last))

        self._sizes.observe(len(tickets))
        await self._persist(session, step)
        if last is not None and last is not tickets:
            for ticket, noted in zip(tickets, last, strict=True):
                ticket.CopyFrom(noted)

    async def _persist(self, session: ConsumerSession, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat `step` until it is not Unavailable."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        try:
            while True:
                try:
                    return await self._timed(step)
                except Unavailable as error:
                    self._note_wait(describe(error), backoff.seconds)
                await backoff.wait(self._stopping)
                if self._stopping.is_set() or session.ended is not None:
                    raise GivenUp
        finally:
            self.waits_for = None

    def _note_waits(self, tickets: Sequence[Ticket]) -> None:
        """Observe how long tickets stood in the queue; two clocks are compared, so never less than nothing."""
        now_ms = time.time() * 1000
        for ticket in tickets:
            self._waits.observe(max(0.0, now_ms - entered_ms(ticket)) / 1000)

    def _note_wait(self, error: str, seconds: float) -> None:
        self.waits_for = error
        _log.warning("consumer.unavailable", queue=self._queue, error=error, retry_seconds=seconds)

    async def _timed(self, step: Callable[[], Awaitable[None]]) -> None:
        self._began = began = time.monotonic()
        try:
            await step()
        except asyncio.CancelledError as error:
            if cancelled():
                raise
            raise RuntimeError("something within the handler ended with CancelledError") from error
        finally:
            self._began = None
            self._seconds.observe(time.monotonic() - began)
