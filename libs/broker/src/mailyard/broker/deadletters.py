"""Dead letters: what no consumer could handle. The queue `dead` can be read, is kept bounded, and can be emptied.

A dead ticket is no lost mail: the row in the spool is the truth, and the reconciler gives it a new ticket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiormq import Channel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from mailyard.broker.connection import Broker
from mailyard.broker.faults import faults
from mailyard.broker.link import RPC_SECONDS, close_quietly
from mailyard.broker.pipeline import Queue
from mailyard.broker.session import tickets_of
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter

KEPT_MESSAGES = 10_000  # AMQP messages, of up to 50 tickets and 1 MiB
TRIMMED_AT_ONCE = 1_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One AMQP message of the queue `dead`.

    `reason` is RabbitMQ's (`rejected`, `delivery_limit`), or `buried` where a consumer put single tickets there; `spool_ids`
    is empty when the message is not a batch of tickets.
    """

    queue: str
    reason: str
    died_at: datetime | None
    spool_ids: tuple[str, ...]
    octets: int


class DeadLetters:
    """Reads, trims and empties the queue `dead`."""

    def __init__(self, broker: Broker, *, kept_messages: int = KEPT_MESSAGES) -> None:
        self._broker = broker
        self._kept = kept_messages
        self._trimmed = counter("mailyard_broker_dead_letters_trimmed_total")

    async def read(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters and leave them where they are. Raises Unavailable."""
        channel = await self._broker.consuming.channel()
        found: list[DeadLetter] = []
        try:
            while len(found) < limit and (message := await _next(channel)) is not None:
                found.append(_dead_letter(message))
        finally:
            await close_quietly(channel)  # the broker puts back what is not acknowledged
        return found

    async def empty(self) -> int:
        """Remove all dead letters; return how many AMQP messages there were. Raises Unavailable."""
        channel = await self._broker.consuming.channel()
        try:
            with faults("RabbitMQ does not empty the queue dead"):
                purged = await channel.queue_purge(Queue.DEAD, timeout=RPC_SECONDS)
        finally:
            await close_quietly(channel)
        return purged.message_count or 0

    async def trim(self) -> bool:
        """Remove the oldest dead letters beyond the bound; return whether more are left. Raises Unavailable."""
        surplus = (await self._broker.depth(Queue.DEAD)).messages - self._kept
        if surplus <= 0:
            return False
        removed = await self._remove(min(surplus, TRIMMED_AT_ONCE))
        self._trimmed.inc(removed)
        _log.warning("broker.dead_letters_trimmed", removed=removed, kept=self._kept)
        return surplus > TRIMMED_AT_ONCE

    async def _remove(self, count: int) -> int:
        channel = await self._broker.consuming.channel()
        removed = 0
        try:
            with faults("RabbitMQ does not take an acknowledgement"):
                while removed < count and (message := await _next(channel)) is not None:
                    assert message.delivery_tag is not None
                    if _left(message) < self._kept:
                        break  # another router trims as well; this message is put back when the channel closes
                    await channel.basic_ack(message.delivery_tag, wait=False)
                    removed += 1
        finally:
            await close_quietly(channel)
        return removed


async def _next(channel: Channel) -> DeliveredMessage | None:
    with faults("RabbitMQ gives no dead letter"):
        message = await channel.basic_get(Queue.DEAD, no_ack=False, timeout=RPC_SECONDS)
    return message if isinstance(message.delivery, Basic.GetOk) else None


def _left(message: DeliveredMessage) -> int:
    """Return how many messages were left in the queue behind this one."""
    assert isinstance(message.delivery, Basic.GetOk)
    return message.delivery.message_count or 0


def _dead_letter(message: DeliveredMessage) -> DeadLetter:
    death = _last_death(message)
    return DeadLetter(
        queue=str(death.get("queue", "")) or str(getattr(message.delivery, "routing_key", "")),
        reason=str(death.get("reason", "buried")),
        died_at=_utc(death.get("time")),
        spool_ids=tuple(ticket.spool_id for ticket in tickets_of(message.body)),
        octets=len(message.body),
    )


def _last_death(message: DeliveredMessage) -> dict[str, Any]:
    headers = message.header.properties.headers or {}
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _utc(value: object) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None
