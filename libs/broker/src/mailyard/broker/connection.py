"""`Broker`: the process's two connections to RabbitMQ, one to publish and one to consume.

They are apart because a broker under memory or disk alarm stops reading publishing connections: consumers must
go on acknowledging then.
"""

import asyncio
from dataclasses import dataclass

from mailyard.broker.faults import faults
from mailyard.broker.keptchannel import KeptChannel
from mailyard.broker.link import RPC_SECONDS, Link
from mailyard.broker.topology import Queue

FIRST_TRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What the broker says of a queue: AMQP messages ready for delivery (not mails), and its consumers."""

    messages: int
    consumers: int


class Broker:
    """Component. `required=False` lets the process start while RabbitMQ is away; it connects when it can."""

    def __init__(self, url: str, name: str, *, required: bool = True) -> None:
        self.name = "broker"
        self.publishing = Link(url, name, "publish")
        self.consuming = Link(url, name, "consume")
        self._questions = KeptChannel(self.consuming)
        self._required = required

    async def start(self) -> None:
        """Connect and declare the topology; raises TopologyMismatch, waits while RabbitMQ is away."""
        self.publishing.begin()
        self.consuming.begin()
        try:
            async with asyncio.timeout(None if self._required else FIRST_TRY_SECONDS):
                await self.publishing.settled()
                await self.consuming.settled()
        except TimeoutError:
            return  # unready() tells, the links go on

    def unready(self) -> str | None:
        """Say why a connection is down."""
        return self.publishing.reason or self.consuming.reason

    async def drain(self) -> None:
        """Nothing to finish: consumers and publishers finish their own."""

    async def close(self) -> None:
        """Close both connections."""
        await asyncio.gather(self.publishing.close(), self.consuming.close())

    async def depth(self, queue: Queue) -> QueueDepth:
        """Ask the broker for a queue's depth; raises Unavailable."""
        channel = await self._questions.open()
        with faults(f"RabbitMQ does not tell the depth of {queue}"):
            declared = await channel.queue_declare(queue, passive=True, timeout=RPC_SECONDS)
        return QueueDepth(declared.message_count or 0, declared.consumer_count or 0)
