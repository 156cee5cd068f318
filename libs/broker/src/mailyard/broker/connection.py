"""`Broker`: the process's two connections to RabbitMQ, one to publish and one to consume.

They are apart because a broker under memory or disk alarm stops reading publishing connections: consumers must
go on acknowledging then.
"""

import asyncio
from dataclasses import dataclass

from mailyard.broker.faults import faults
from mailyard.broker.link import RPC_SECONDS, BrokerLink
from mailyard.broker.pipeline import Queue
from mailyard.broker.reusablechannel import ReusableChannel

FIRST_TRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Depth of a queue as the broker reports it: AMQP messages ready for delivery (not mails), and consumers."""

    messages: int
    consumers: int


class Broker:
    """Component: the connections to RabbitMQ."""

    def __init__(self, url: str, name: str, *, required: bool = True, meanwhile: str = "") -> None:
        """Connect to `url` as `name`.

        Args:
            url: AMQP URL.
            name: what the broker shows the connections as.
            required: whether the process is of no use without RabbitMQ. False: it starts and stays ready
                without it, and connects when it can.
            meanwhile: what an optional broker's absence means, for /readyz.

        """
        self.name = "broker"
        self.publishing = BrokerLink(url, name, "publish")
        self.consuming = BrokerLink(url, name, "consume")
        self._questions = ReusableChannel(self.consuming)
        self._required = required
        self._meanwhile = meanwhile

    async def start(self) -> None:
        """Connect and declare the topology; raises TopologyMismatch, waits while RabbitMQ is unreachable."""
        self.publishing.begin()
        self.consuming.begin()
        try:
            async with asyncio.timeout(None if self._required else FIRST_TRY_SECONDS):
                await self.publishing.settled()
                await self.consuming.settled()
        except TimeoutError:
            return  # down() says why, the links go on

    def down(self) -> str | None:
        """Say why a connection is down, or None."""
        return self.publishing.reason or self.consuming.reason

    def not_ready_reason(self) -> str | None:
        """Say why a connection is down; never a reason against a process that can work without RabbitMQ."""
        return self.down() if self._required else None

    def degraded(self) -> str | None:
        """Say why a connection is down that the process can work without, and what that means."""
        reason = None if self._required else self.down()
        return reason and f"{reason}; {self._meanwhile}" if self._meanwhile else reason

    async def drain(self) -> None:
        """Nothing to finish: consumers and publishers finish their own."""

    async def close(self) -> None:
        """Close both connections."""
        await asyncio.gather(self.publishing.close(), self.consuming.close())

    async def depth(self, queue: Queue) -> QueueDepth:
        """Ask the broker for a queue's depth; raises Unavailable."""
        channel = await self._questions.open()
        with faults(f"RabbitMQ does not report the depth of {queue}"):
            declared = await channel.queue_declare(queue, passive=True, timeout=RPC_SECONDS)
        return QueueDepth(declared.message_count or 0, declared.consumer_count or 0)
