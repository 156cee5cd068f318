"""The topology is declared in one place, has the declared properties, and a mismatch says what to do."""

import asyncio

import aio_pika
import pytest
from aio_pika import ExchangeType, Message

from mailyard.broker.pipeline import Queue
from mailyard.broker.topology import (
    DELIVERY_LIMIT,
    EVENTS_EXCHANGE,
    TopologyMismatch,
    arguments,
    binding_key,
    declare,
)
from mailyard.runtime.errors import Misconfigured

WORK = [queue for queue in Queue if queue is not Queue.DEAD]


@pytest.mark.parametrize("queue", Queue)
def test_every_queue_is_a_quorum_queue_that_refuses_rather_than_drops(queue):
    assert arguments(queue)["x-queue-type"] == "quorum"
    assert arguments(queue)["x-overflow"] == "reject-publish"


@pytest.mark.parametrize("queue", WORK)
def test_every_work_queue_buries_at_least_once_after_twenty_deliveries(queue):
    assert arguments(queue)["x-dead-letter-exchange"] == "dead"
    assert arguments(queue)["x-dead-letter-strategy"] == "at-least-once"
    assert arguments(queue)["x-delivery-limit"] == 20


def test_the_exchange_of_a_queue_is_the_first_part_of_its_name():
    assert {queue.exchange for queue in Queue} == {"smtp-in", "local", "remote", "dead"}
    assert binding_key(Queue.DEAD) == "#"


async def test_declaring_twice_changes_nothing(channel):
    await declare(channel)
    await declare(channel)


@pytest.mark.parametrize("queue", Queue)
async def test_what_is_published_for_a_queue_arrives_in_it_and_nowhere_else(channel, queue):
    await declare(channel)
    exchange = await channel.get_exchange(queue.exchange)
    await exchange.publish(Message(b"x"), queue, mandatory=True)
    await asyncio.sleep(0.05)
    counts = {each: (await channel.declare_queue(each, passive=True)).declaration_result for each in Queue}
    assert {each: count.message_count for each, count in counts.items()} == {
        each: int(each is queue) for each in Queue
    }


async def test_a_queue_with_other_properties_is_named_with_what_to_do(channel):
    await channel.declare_queue("local.deliver", durable=True)
    with pytest.raises(TopologyMismatch) as raised:
        await declare(channel)
    problem = str(raised.value)
    assert "a queue 'local.deliver' with other properties" in problem
    assert "rabbitmqctl delete_queue local.deliver" in problem
    assert isinstance(raised.value, Misconfigured)


async def test_an_exchange_with_other_properties_is_named(channel):
    await channel.declare_exchange(EVENTS_EXCHANGE, ExchangeType.FANOUT, durable=True)
    with pytest.raises(TopologyMismatch, match=r"an exchange 'mailbox\.events'"):
        await declare(channel)


async def test_a_rejected_message_is_dead_under_the_key_of_its_queue(channel):
    await declare(channel)
    await (await channel.get_exchange("local")).publish(Message(b"poison"), Queue.LOCAL_FILTER)
    message = await got(await channel.get_queue(Queue.LOCAL_FILTER))
    await message.reject(requeue=False)
    dead = await got(await channel.get_queue(Queue.DEAD))
    assert (dead.body, dead.routing_key) == (b"poison", "local.filter")
    assert dead.headers["x-death"][0]["reason"] == "rejected"
    await dead.ack()


async def test_a_message_that_comes_back_too_often_is_dead(channel):
    await declare(channel)
    await (await channel.get_exchange("remote")).publish(Message(b"heavy"), Queue.REMOTE_SEND)
    source = await channel.get_queue(Queue.REMOTE_SEND)
    for _ in range(DELIVERY_LIMIT + 1):
        await (await got(source)).reject(requeue=True)
    dead = await got(await channel.get_queue(Queue.DEAD))
    assert dead.headers["x-death"][0]["reason"] == "delivery_limit"
    await dead.ack()


async def test_looking_at_a_dead_letter_again_and_again_does_not_lose_it(channel):
    await declare(channel)
    await (await channel.get_exchange("dead")).publish(Message(b"dead"), "local.filter")
    source = await channel.get_queue(Queue.DEAD)
    for _ in range(DELIVERY_LIMIT + 5):
        await (await got(source)).reject(requeue=True)
    await (await got(source)).ack()


async def got(source: aio_pika.abc.AbstractQueue) -> aio_pika.abc.AbstractIncomingMessage:
    """Get the next message of a queue, with a limit."""
    async with asyncio.timeout(5):
        while (message := await source.get(fail=False)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # AMQP has no event to wait for
    return message
