"""Send legs to other hosts: claim them, send each in a task of its own, and report the outcomes.

A ticket is acknowledged when its leg is claimed, not when the leg is sent. From then on the lease in the row stands for
the ticket, so that a slow host delays no other leg. Legs of a process that dies are released when their leases end.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain, repeat
from typing import Final, Protocol

from mailyard.broker.pipeline import Queue, stage_of
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.attempt import LeaseLost
from mailyard.relay.leasekeeper import LeaseKeeper
from mailyard.relay.pool import Pool
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.runtime.tracing import stage_spans
from mailyard.spool.outcome import Report
from mailyard.spool.queue.stage import deferred_by_fault

_ROOM_SECONDS: Final = 5.0
_CUT_AGAIN_SECONDS: Final = 1.0  # a leg that was between two connections meets the next cut
_RECORD_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # seconds; the last one again and again

_STAGE: Final = stage_of(Queue.REMOTE_SEND)
_log = get_logger(__name__)


class Records(Protocol):
    """What is needed of `mailyard.spool.queue.outcomes.Outcomes`."""

    async def report(self, report: Report) -> None:
        """Write a report. Raises Unavailable."""


class Carries(Protocol):
    """What is needed of `mailyard.relay.legsender.LegSender`."""

    async def send_leg(self, ticket: Ticket, permitted: Callable[[], bool]) -> Report:
        """Try a leg once. Raises LeaseLost."""


class Relay:
    """Component; `take` is the handler of `remote.send`."""

    name = "relay"

    def __init__(
        self,
        holds: LeaseKeeper,
        courier: Carries,
        records: Records,
        pool: Pool,
        *,
        clock: Clock = now_utc,
        cut_seconds: float = 60.0,
    ) -> None:
        """`cut_seconds`: for how long, at a stop, messages that are being sent may go on to their final dot."""
        self._holds = holds
        self._courier = courier
        self._records = records
        self._pool = pool
        self._clock = clock
        self._cut_seconds = cut_seconds
        self._legs: set[asyncio.Task[None]] = set()
        self._chores: list[asyncio.Task[None]] = []
        self._repeated = counter("mailyard_relay_report_retries_total")
        self._void = counter("mailyard_relay_void_tickets_total")

    async def start(self) -> None:
        """Begin to renew claims and to end idle sessions."""
        self._chores = [_spawn(self._holds.renew_always(), "renew"), _spawn(self._pool.sweep(), "sweep")]

    def not_ready_reason(self) -> str | None:
        """Why no more legs should come: a chore has ended."""
        return "claims are not renewed any more" if any(chore.done() for chore in self._chores) else None

    async def take(self, tickets: Sequence[Ticket]) -> None:
        """Claim legs and begin to send them; returns when all have begun, not when they are sent.

        Raises:
            Unavailable: the store is away, or there is no room; what has begun is not begun again.

        """
        rest = list(tickets)
        while rest:
            await self._holds.wait_for_room(_ROOM_SECONDS)
            now, rest = rest[: self._holds.room], rest[self._holds.room :]
            claimed = await self._holds.claim(now)
            self._void.inc(len(now) - len(claimed))
            for ticket in claimed:
                task = _spawn(self._send(ticket), f"send-{ticket.spool_id}")
                self._legs.add(task)
                task.add_done_callback(self._legs.discard)

    async def drain(self) -> None:
        """Give back the legs that wait for a connection, and after a while those whose message is not complete.

        A message whose final dot was sent is never given back: the host may have taken it, and would get it twice.
        """
        self._pool.stop()
        if self._legs:
            await asyncio.wait(self._legs, timeout=self._cut_seconds)
        while self._legs:
            self._pool.cut()
            await asyncio.wait(self._legs, timeout=_CUT_AGAIN_SECONDS)

    async def close(self) -> None:
        """Cut what is not finished: its leases end, and it is released again."""
        tasks = [*self._legs, *self._chores]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._pool.close()

    async def _send(self, ticket: Ticket) -> None:
        spans = stage_spans("relay send", [ticket])
        try:
            await self._record(await self._carry(ticket))
        except LeaseLost:
            _log.warning("relay.claim_lost", spool_id=ticket.spool_id, leg=ticket.leg)
        finally:
            self._holds.release(ticket)
            for span in spans:
                span.end()

    async def _carry(self, ticket: Ticket) -> Report:
        try:
            return await self._courier.send_leg(ticket, lambda: self._holds.ours(ticket))
        except LeaseLost:
            raise
        except Exception as error:
            _log.exception("relay.fault", spool_id=ticket.spool_id, leg=ticket.leg)
            return deferred_by_fault(_STAGE, ticket, self._clock(), error)

    async def _record(self, report: Report) -> None:
        """Write the report, however long the store is away: what a host has taken must not be sent again."""
        for pause in chain(_RECORD_PAUSES, repeat(_RECORD_PAUSES[-1])):
            try:
                await self._records.report(report)
                return
            except Unavailable as error:
                self._repeated.inc()
                _log.warning("relay.report_delayed", spool_id=report.ticket.spool_id, error=str(error))
                await asyncio.sleep(pause)


def _spawn(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)
