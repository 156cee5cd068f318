"""Declares the exchanges and queues of the pipeline (`mailyard.broker.pipeline`); nothing else declares them.

The exchanges `smtp-in`, `local` and `remote` are topic exchanges. Each queue is a quorum queue that is bound by its
own name. A message that the broker gives up (after twenty deliveries, or because it was rejected) goes through the
exchange `dead` into the queue `dead` and keeps its routing key. The arguments mean the same on RabbitMQ 3.10 and 4.x,
so that an upgrade of RabbitMQ finds no queue with other properties.
"""

from collections.abc import Mapping
from typing import Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelLockedResource, ChannelPreconditionFailed

from mailyard.broker.pipeline import Queue
from mailyard.runtime.errors import Misconfigured

DEAD_LETTER_EXCHANGE: Final = "dead"
EVENTS_EXCHANGE: Final = "mailbox.events"
DELIVERY_LIMIT: Final = 20
_NEVER: Final = 2**31 - 1  # 4.x has a default delivery limit and takes -1 for none, 3.10 refuses -1
_DECLARE_SECONDS: Final = 30.0


_EXCHANGES: Final = (*dict.fromkeys(queue.exchange for queue in Queue), EVENTS_EXCHANGE)


def binding_key(queue: Queue) -> str:
    """Return the key that binds a queue to its exchange: dead letters keep the key of the queue they come from."""
    return "#" if queue is Queue.DEAD else queue.value


def arguments(queue: Queue) -> Mapping[str, str | int]:
    """Return the queue's arguments.

    At-least-once dead-lettering needs reject-publish: a full queue then refuses the publisher, and no message
    is dropped on the way to `dead`.
    """
    if queue is Queue.DEAD:
        return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER, "x-overflow": "reject-publish"}
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


class TopologyMismatch(Misconfigured):
    """A queue or an exchange exists with other properties than Mailyard declares."""

    def __init__(self, thing: str, name: str, problem: object) -> None:
        super().__init__(
            f"RabbitMQ has {thing} '{name}' with other properties than Mailyard declares: {problem}. "
            f"Stop the services, delete it (for a queue: rabbitmqctl delete_queue {name} --vhost <vhost>, after a look "
            "at what is in it) and start again: Mailyard declares it anew, and the router publishes its mails "
            "again from their rows. If something else than Mailyard owns it, give Mailyard a virtual host of its "
            "own in MAILYARD_AMQP_URL."
        )


async def declare(channel: AbstractChannel) -> None:
    """Declare everything; raises TopologyMismatch and leaves the channel closed when something differs."""
    for name in _EXCHANGES:
        try:
            await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True, timeout=_DECLARE_SECONDS)
        except (ChannelPreconditionFailed, ChannelLockedResource) as error:
            raise TopologyMismatch("an exchange", name, error) from error
    for queue in reversed(Queue):  # `dead` first: the others point at it
        try:
            await _declare_queue(channel, queue)
        except (ChannelPreconditionFailed, ChannelLockedResource) as error:
            raise TopologyMismatch("a queue", queue, error) from error


async def _declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    declared = await channel.declare_queue(
        queue, durable=True, arguments=dict(arguments(queue)), timeout=_DECLARE_SECONDS
    )
    await declared.bind(queue.exchange, binding_key(queue), timeout=_DECLARE_SECONDS)
