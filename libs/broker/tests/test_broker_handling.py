"""A handler that fails: the same tickets again while a server is away, one by one when some are bad."""

import asyncio

import pytest

from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.runtime.errors import Unavailable

QUEUE = Queue.SMTP_IN_ROUTE


class Judge:
    """A handler that refuses some tickets, and waits while `away`."""

    def __init__(self, *bad, error=ValueError):
        self.bad = {f"{number:020d}" for number in bad}
        self.away = False
        self.error = error
        self.tries: list[list[str]] = []
        self.done: list[str] = []

    async def __call__(self, batch):
        spool_ids = [ticket.spool_id for ticket in batch]
        self.tries.append(spool_ids)
        if self.away:
            raise Unavailable("the store is away")
        if self.bad & set(spool_ids):
            raise self.error("a bad ticket")
        self.done += spool_ids


def numbers(spool_ids):
    return [int(spool_id) for spool_id in spool_ids]


@pytest.fixture
def dead(depth_becomes, taken):
    """`await dead(count)`: wait until so many AMQP messages are dead; return their tickets' numbers."""

    async def take(count):
        await depth_becomes(Queue.DEAD, count)
        return [numbers(batch) for batch in await taken(Queue.DEAD, seconds=0.2)]

    return take


async def test_unavailable_keeps_the_tickets_and_tries_them_again(broker, started, tickets, eventually):
    judge = Judge()
    judge.away = True
    consumer = await started(TicketConsumer(broker, QUEUE, judge))
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 3))
    await eventually(lambda: len(judge.tries) >= 3, "three tries")
    assert consumer.not_ready_reason() == "waits for an unreachable server: the store is away"
    assert (await broker.depth(QUEUE)).messages == 0, "the tickets stay in hand"
    judge.away = False
    await eventually(lambda: numbers(judge.done) == [0, 1, 2], "handled")
    await eventually(lambda: consumer.not_ready_reason() is None, "ready again")
    assert all(numbers(tried) == [0, 1, 2] for tried in judge.tries)


async def test_unavailable_tickets_are_given_back_at_drain(
    broker, started, tickets, eventually, depth_becomes
):
    judge = Judge()
    judge.away = True
    consumer = await started(TicketConsumer(broker, QUEUE, judge))
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 3))
    await eventually(lambda: judge.tries, "a try")
    await asyncio.wait_for(consumer.drain(), 5)
    await depth_becomes(QUEUE, 1)


async def test_a_bad_ticket_is_told_and_the_others_are_handled(broker, started, tickets, eventually):
    judge = Judge(1, 60)
    told = []

    async def on_poison(ticket, error):
        told.append((int(ticket.spool_id), str(error)))

    await TicketPublisher(broker).publish(QUEUE, tickets(0, 70))
    consumer = await started(TicketConsumer(broker, QUEUE, judge, on_poison=on_poison))
    await eventually(lambda: len(judge.done) == 68, "the good ones are handled")
    await eventually(lambda: consumer.progress().tickets_in_hand == 0, "settled")
    assert sorted(numbers(judge.done)) == [number for number in range(70) if number not in (1, 60)]
    assert told == [(1, "a bad ticket"), (60, "a bad ticket")]
    assert (await broker.depth(Queue.DEAD)).messages == 0


async def test_a_bad_ticket_that_nobody_notes_is_dead_alone(broker, started, tickets, eventually, dead):
    judge = Judge(2)
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 5))
    await started(TicketConsumer(broker, QUEUE, judge))
    await eventually(lambda: sorted(numbers(judge.done)) == [0, 1, 3, 4], "the good ones are handled")
    assert await dead(1) == [[2]]


async def test_a_message_of_bad_tickets_only_is_rejected_whole(broker, started, tickets, dead, channel):
    judge = Judge(0, 1)
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 2))
    await started(TicketConsumer(broker, QUEUE, judge))
    assert await dead(1) == [[0, 1]]


async def test_rejecting_the_last_of_a_call_does_not_harm_the_channel(
    broker, started, tickets, eventually, dead
):
    judge = Judge(1)
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    await publisher.publish(QUEUE, tickets(1, 1))
    consumer = await started(TicketConsumer(broker, QUEUE, judge))
    assert await dead(1) == [[1]]
    await publisher.publish(QUEUE, tickets(2, 1))
    await eventually(lambda: numbers(judge.done) == [0, 2], "handled once each")
    assert consumer.progress().messages_in == 3, "nothing was redelivered"
    assert consumer.not_ready_reason() is None


async def test_a_note_that_fails_leaves_the_ticket_to_the_dead_letters(broker, started, tickets, dead):
    async def on_poison(_ticket, _error):
        raise KeyError("no row")

    await TicketPublisher(broker).publish(QUEUE, tickets(0, 1))
    await started(TicketConsumer(broker, QUEUE, Judge(0), on_poison=on_poison))
    assert await dead(1) == [[0]]


async def test_a_note_waits_for_a_store_that_is_away(broker, started, tickets, eventually):
    noted = []

    async def on_poison(ticket, _error):
        noted.append(ticket.spool_id)
        if len(noted) < 3:
            raise Unavailable("the store is away")

    await TicketPublisher(broker).publish(QUEUE, tickets(0, 1))
    consumer = await started(TicketConsumer(broker, QUEUE, Judge(0), on_poison=on_poison))
    await eventually(lambda: consumer.progress().tickets_done == 1, "noted at last")
    assert len(noted) == 3
    assert (await broker.depth(Queue.DEAD)).messages == 0


async def test_a_handler_that_ends_with_cancelled_error_does_not_end_the_consumer(
    broker, started, tickets, eventually, dead
):
    judge = Judge(0, error=asyncio.CancelledError)
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    await started(TicketConsumer(broker, QUEUE, judge))
    assert await dead(1) == [[0]]
    await publisher.publish(QUEUE, tickets(1, 1))
    await eventually(lambda: numbers(judge.done) == [1], "the next one is handled")


async def test_each_try_gets_the_tickets_as_they_came_from_the_broker(broker, started, tickets, eventually):
    seen: list[tuple[int, int]] = []
    poison: list[int] = []

    async def change_and_fail(batch):
        seen.append((len(batch), sum(len(ticket.timeline) for ticket in batch)))
        for ticket in batch:
            ticket.timeline.add(event="message.routed")
            ticket.expanded = 7
        raise Unavailable("the store is unreachable") if len(seen) < 3 else ValueError("a bad ticket")

    async def on_poison(ticket, _error):
        poison.append(len(ticket.timeline))

    await started(TicketConsumer(broker, QUEUE, change_and_fail, on_poison=on_poison))
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 2))
    await eventually(lambda: len(poison) == 2, "both are poison")
    assert seen == [(2, 0), (2, 0), (2, 0), (1, 0), (1, 0)]
    assert poison == [0, 0]
