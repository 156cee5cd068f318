"""Tickets are handled at least once, acknowledged after that, and never by a consumer that is dead."""

import asyncio

import pytest
from aio_pika import Message

from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher

QUEUE = Queue.LOCAL_DELIVER


class Recorder:
    """A handler that records its calls; `gate` holds them back."""

    def __init__(self):
        self.calls: list[list[str]] = []
        self.done: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = self.most_in_flight = 0

    async def __call__(self, batch):
        self.calls.append([ticket.spool_id for ticket in batch])
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        self.done += self.calls[-1]


@pytest.fixture
def recorder():
    return Recorder()


def ids(batch):
    return [ticket.spool_id for ticket in batch]


async def test_tickets_are_handled_in_order_and_acknowledged(
    *, broker, started, recorder, tickets, eventually, depth_becomes
):
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 120))
    consumer = await started(TicketConsumer(broker, QUEUE, recorder))
    await eventually(lambda: len(recorder.done) == 120, "all tickets handled")
    assert recorder.done == ids(tickets(0, 120))
    await consumer.drain()
    await consumer.close()
    await depth_becomes(QUEUE, 0)
    assert (await broker.depth(QUEUE)).consumers == 0


async def test_one_call_is_in_flight_and_what_arrives_meanwhile_is_the_next(
    broker, started, recorder, tickets, eventually
):
    recorder.gate.clear()
    consumer = await started(TicketConsumer(broker, QUEUE, recorder))
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    await eventually(lambda: recorder.calls, "the first call")
    for number in range(1, 6):
        await publisher.publish(QUEUE, tickets(number, 1))
    await eventually(lambda: consumer.progress().tickets_in == 6, "all arrived")
    recorder.gate.set()
    await eventually(lambda: len(recorder.done) == 6, "all handled")
    assert recorder.calls == [ids(tickets(0, 1)), ids(tickets(1, 5))]
    assert recorder.most_in_flight == 1


async def test_a_call_has_no_more_than_max_tickets_unless_one_message_has(
    broker, started, recorder, tickets, eventually
):
    recorder.gate.clear()
    publisher = TicketPublisher(broker)
    for first, count in ((0, 1), (1, 4), (5, 4), (9, 4), (13, 30)):
        await publisher.publish(QUEUE, tickets(first, count))
    consumer = await started(TicketConsumer(broker, QUEUE, recorder, max_tickets=8))
    await eventually(lambda: consumer.progress().tickets_in == 43, "all arrived")
    recorder.gate.set()
    await eventually(lambda: len(recorder.done) == 43, "all handled")
    assert [len(call) for call in recorder.calls[1:]] == [8, 4, 30] or [
        len(call) for call in recorder.calls
    ] == [
        5,
        8,
        30,
    ]


async def test_prefetch_bounds_what_is_in_hand(broker, started, recorder, tickets, eventually):
    recorder.gate.clear()
    publisher = TicketPublisher(broker)
    for number in range(10):
        await publisher.publish(QUEUE, tickets(number, 1))
    consumer = await started(TicketConsumer(broker, QUEUE, recorder, prefetch=3))
    await eventually(lambda: consumer.progress().tickets_in == 3, "as many as prefetched")
    assert (await broker.depth(QUEUE)).messages == 7
    recorder.gate.set()
    await eventually(lambda: len(recorder.done) == 10, "all handled")


async def test_progress_counts_and_knows_the_oldest_in_hand(broker, started, recorder, tickets, eventually):
    recorder.gate.clear()
    consumer = await started(TicketConsumer(broker, QUEUE, recorder))
    assert consumer.progress().oldest_in_hand_ms is None
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(5, 2))
    await eventually(lambda: recorder.calls, "the first call")
    await publisher.publish(QUEUE, tickets(7, 60))
    progress = await eventually(
        lambda: consumer.progress().tickets_in == 62 and consumer.progress(), "all arrived"
    )
    assert (progress.messages_in, progress.tickets_in_hand, progress.tickets_done) == (3, 62, 0)
    assert (progress.oldest_in_hand_ms, progress.taken_until_ms) == (1005, 1066)
    recorder.gate.set()
    await eventually(lambda: consumer.progress().tickets_done == 62, "all done")
    assert consumer.progress().tickets_in_hand == 0


async def test_drain_finishes_what_is_in_hand_and_gives_back_the_rest(
    *, broker, started, recorder, tickets, eventually, depth_becomes
):
    recorder.gate.clear()
    consumer = await started(TicketConsumer(broker, QUEUE, recorder))
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    await eventually(lambda: recorder.calls, "the first call")
    await publisher.publish(QUEUE, tickets(1, 120))
    await eventually(lambda: consumer.progress().tickets_in == 121, "all arrived")
    draining = asyncio.create_task(consumer.drain())
    await depth_becomes(QUEUE, 3)
    assert not draining.done()
    recorder.gate.set()
    await asyncio.wait_for(draining, 5)
    await consumer.close()
    assert recorder.calls == [ids(tickets(0, 1))]
    successor = Recorder()
    await started(TicketConsumer(broker, QUEUE, successor))
    await eventually(lambda: len(successor.done) == 120, "the successor has the rest")
    assert successor.done == ids(tickets(1, 120))


async def test_tickets_of_a_handler_that_never_returns_are_redelivered_after_close(
    broker, started, recorder, tickets, eventually
):
    recorder.gate.clear()
    consumer = TicketConsumer(broker, QUEUE, recorder)
    await consumer.start()
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 3))
    await eventually(lambda: recorder.calls, "the call")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(consumer.drain(), 0.2)
    await asyncio.wait_for(consumer.close(), 5)
    successor = Recorder()
    second = await started(TicketConsumer(broker, QUEUE, successor))
    await eventually(lambda: successor.done == ids(tickets(0, 3)), "the successor has them")
    assert second.progress().tickets_done == 3


async def test_draining_twice_and_closing_twice_is_no_error(broker, recorder):
    consumer = TicketConsumer(broker, QUEUE, recorder)
    await consumer.start()
    for _ in range(2):
        await consumer.drain()
        await consumer.close()


async def test_a_consumer_that_never_started_can_be_stopped(broker, recorder):
    consumer = TicketConsumer(broker, QUEUE, recorder)
    await consumer.drain()
    await consumer.close()


async def test_what_is_no_batch_of_tickets_is_dead_and_the_others_go_on(
    *, broker, started, recorder, tickets, channel, eventually, depth_becomes
):
    exchange = await channel.get_exchange(QUEUE.exchange)
    await exchange.publish(Message(b"\xff\xff\xff"), QUEUE)
    await exchange.publish(Message(b""), QUEUE)
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 2))
    await started(TicketConsumer(broker, QUEUE, recorder))
    await eventually(lambda: recorder.done == ids(tickets(0, 2)), "the good ones are handled")
    await depth_becomes(Queue.DEAD, 2)
