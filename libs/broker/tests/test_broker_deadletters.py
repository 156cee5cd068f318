"""Dead letters can be read without being lost, are kept bounded, and can be removed."""

import asyncio

import pytest
from aio_pika import Message

from mailyard.broker import deadletters
from mailyard.broker.deadletters import DeadLetters
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.topology import DELIVERY_LIMIT

from .test_broker_topology import got


async def _bury(broker, tickets, count):
    publisher = TicketPublisher(broker)
    for number in range(count):
        await publisher.publish(Queue.DEAD, tickets(number, 1))


async def _read(letters, count):
    """Read, and again until so many are there: RabbitMQ moves a dead message in its own time."""
    async with asyncio.timeout(10):
        while len(found := await letters.read(10)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def test_a_rejected_message_is_read_with_its_queue_reason_and_spool_ids(broker, channel, tickets):
    await TicketPublisher(broker).publish(Queue.LOCAL_FILTER, tickets(0, 2))
    await (await got(await channel.get_queue(Queue.LOCAL_FILTER))).reject(requeue=False)
    (letter,) = await _read(DeadLetters(broker), 1)
    assert (letter.queue, letter.reason) == ("local.filter", "rejected")
    assert letter.spool_ids == ("0" * 20, "0" * 19 + "1")
    assert letter.died_at is not None


async def test_a_message_that_is_no_batch_of_tickets_is_read_too(broker, channel):
    await (await channel.get_exchange("dead")).publish(Message(b"\xff\xff"), "local.deliver")
    (letter,) = await DeadLetters(broker).read(10)
    assert (letter.queue, letter.reason, letter.spool_ids, letter.octets) == (
        "local.deliver",
        "buried",
        (),
        2,
    )


async def test_reading_again_and_again_loses_nothing(broker, tickets):
    await _bury(broker, tickets, 3)
    letters = DeadLetters(broker)
    for _ in range(DELIVERY_LIMIT + 2):
        assert len(await letters.read(2)) == 2
    assert len(await letters.read(10)) == 3


async def test_an_empty_queue_is_read_as_nothing(broker):
    assert await DeadLetters(broker).read(10) == []
    assert await DeadLetters(broker).empty() == 0


async def test_emptying_removes_all_and_says_how_many(broker, tickets):
    await _bury(broker, tickets, 3)
    assert await DeadLetters(broker).empty() == 3
    assert await DeadLetters(broker).read(10) == []


@pytest.mark.parametrize(("buried", "left"), [(2, ["0", "1"]), (3, ["0", "1", "2"]), (7, ["4", "5", "6"])])
async def test_the_oldest_beyond_the_bound_are_removed(broker, tickets, monkeypatch, buried, left):
    monkeypatch.setattr(deadletters, "TRIMMED_AT_ONCE", 2)
    await _bury(broker, tickets, buried)
    letters = DeadLetters(broker, kept_messages=3)
    while await letters.trim():
        pass
    assert [letter.spool_ids[0].lstrip("0") or "0" for letter in await letters.read(10)] == left


async def test_several_routers_that_trim_at_once_keep_what_the_bound_allows(broker, tickets):
    await _bury(broker, tickets, 12)
    routers = [DeadLetters(broker, kept_messages=3) for _ in range(3)]
    await asyncio.gather(*(letters.trim() for letters in routers))
    left = await _read(routers[0], 3)
    # RabbitMQ promises no order among messages that several channels put back.
    assert sorted(int(letter.spool_ids[0]) for letter in left) == [9, 10, 11]
