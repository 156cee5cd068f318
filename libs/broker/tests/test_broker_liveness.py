"""Consumers survive what happens to connections and queues, and say so while they do not move."""

import asyncio
import random

import pytest

from mailyard.broker.consumer import TicketConsumer
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.runtime.errors import Unavailable

QUEUE = Queue.REMOTE_SEND


class Holder:
    """A handler that can be held back, and counts what it has handled."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun: list[str] = []
        self.done: list[str] = []

    async def __call__(self, batch):
        self.begun += [ticket.spool_id for ticket in batch]
        await self.gate.wait()
        self.done += [ticket.spool_id for ticket in batch]


async def test_a_consumer_is_unready_until_it_is_registered(proxy, far_broker, started, eventually):
    await proxy.refuse()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is told")
    consumer = TicketConsumer(far_broker, QUEUE, Holder())
    assert consumer.not_ready_reason() == "not registered yet"
    await started(consumer)
    await eventually(lambda: "no connection to RabbitMQ" in consumer.not_ready_reason(), "the reason is told")
    await proxy.accept()
    await eventually(lambda: consumer.not_ready_reason() is None, "registered")


async def test_a_cut_in_the_middle_of_a_handler_redelivers_its_tickets(
    proxy, far_broker, started, tickets, eventually
):
    holder = Holder()
    holder.gate.clear()
    consumer = await started(TicketConsumer(far_broker, QUEUE, holder))
    await TicketPublisher(far_broker).publish(QUEUE, tickets(0, 2))
    await eventually(lambda: holder.begun, "the call")
    proxy.cut()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is told")
    holder.gate.set()
    await eventually(lambda: len(holder.done) == 4, "handled, and handled again after redelivery")
    await eventually(lambda: consumer.not_ready_reason() is None, "registered again")
    assert consumer.progress().messages_in == 2


async def test_tickets_that_wait_for_a_store_are_let_go_when_the_session_ends(
    proxy, far_broker, started, tickets, eventually
):
    away = True
    tries = []

    async def handler(batch):
        tries.append(len(batch))
        if away:
            raise Unavailable("the store is away")

    consumer = await started(TicketConsumer(far_broker, QUEUE, handler))
    await TicketPublisher(far_broker).publish(QUEUE, tickets(0, 1))
    await eventually(lambda: tries, "a try")
    proxy.cut()
    await eventually(lambda: consumer.progress().messages_in == 2, "redelivered")
    away = False
    await eventually(lambda: consumer.progress().tickets_done == 1, "done once")


async def test_a_consumer_of_a_deleted_queue_gets_it_declared_and_registers_again(
    broker, started, tickets, channel, eventually
):
    holder = Holder()
    consumer = await started(TicketConsumer(broker, QUEUE, holder))
    await eventually(lambda: consumer.not_ready_reason() is None, "registered")
    await channel.queue_delete(QUEUE)
    await eventually(lambda: consumer.not_ready_reason() is not None, "the loss is told")
    await eventually(lambda: consumer.not_ready_reason() is None, "registered again")
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 1))
    await eventually(lambda: holder.done, "handled")


async def test_a_call_that_lasts_too_long_makes_the_process_unready(broker, started, tickets, eventually):
    holder = Holder()
    holder.gate.clear()
    consumer = await started(TicketConsumer(broker, QUEUE, holder, handler_seconds=0.1))
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 1))
    await eventually(lambda: "a handler call has lasted" in (consumer.not_ready_reason() or ""), "it is told")
    holder.gate.set()
    await eventually(lambda: consumer.not_ready_reason() is None, "ready again")


async def test_a_consumer_that_the_broker_forgot_registers_again(broker, started, tickets, eventually):
    holder = Holder()
    consumer = await started(TicketConsumer(broker, QUEUE, holder, probe_seconds=0.2))
    await eventually(lambda: consumer.not_ready_reason() is None, "registered")
    session = consumer._session
    await session._channel.basic_cancel(session._consumer_tag)
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 1))
    await eventually(lambda: holder.done, "handled by the renewed consumer")
    assert consumer._session is not session


async def test_an_idle_consumer_is_not_renewed(broker, started, tickets, eventually):
    holder = Holder()
    consumer = await started(TicketConsumer(broker, QUEUE, holder, probe_seconds=0.1))
    await eventually(lambda: consumer.not_ready_reason() is None, "registered")
    session = consumer._session
    publisher = TicketPublisher(broker)
    for number in range(30):
        await publisher.publish(QUEUE, tickets(number, 1))
        await asyncio.sleep(0.03)
    await eventually(lambda: len(holder.done) == 30, "all handled")
    assert consumer._session is session


async def test_a_fault_of_ours_does_not_end_the_consumer(broker, started, tickets, eventually, monkeypatch):
    holder = Holder()
    consumer = TicketConsumer(broker, QUEUE, holder)
    settle, faults = consumer._settle, [KeyError("a bug")]

    async def faulty(session, deliveries):
        if faults:
            raise faults.pop()
        await settle(session, deliveries)

    monkeypatch.setattr(consumer, "_settle", faulty)
    await started(consumer)
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 2))
    await eventually(lambda: len(holder.done) == 2, "handled after redelivery")
    assert consumer.progress().messages_in == 2


async def test_draining_without_a_broker_does_not_hang(proxy, far_broker, tickets, eventually):
    holder = Holder()
    consumer = TicketConsumer(far_broker, QUEUE, holder)
    await consumer.start()
    await TicketPublisher(far_broker).publish(QUEUE, tickets(0, 1))
    await eventually(lambda: holder.done, "handled")
    await proxy.refuse()
    await asyncio.wait_for(consumer.drain(), 15)
    await asyncio.wait_for(consumer.close(), 15)


@pytest.mark.slow
async def test_draining_over_a_stalled_connection_ends(proxy, far_broker, eventually):
    consumer = TicketConsumer(far_broker, QUEUE, Holder())
    await consumer.start()
    await eventually(lambda: consumer.not_ready_reason() is None, "registered")
    proxy.stall()
    await asyncio.wait_for(consumer.drain(), 20)
    await asyncio.wait_for(consumer.close(), 20)


async def test_every_confirmed_ticket_is_handled_though_connections_are_cut_on_both_sides(
    proxy, far_broker, started, tickets, eventually
):
    holder = Holder()
    await started(TicketConsumer(far_broker, QUEUE, holder))
    publisher = TicketPublisher(far_broker)
    confirmed: set[str] = set()
    numbers = iter(range(100_000))
    over = asyncio.Event()

    async def caller():
        while not over.is_set():
            batch = tickets(next(numbers), 3)
            try:
                await publisher.publish(QUEUE, batch)
            except PublishFailed:
                await asyncio.sleep(0.02)
            else:
                confirmed.update(ticket.spool_id for ticket in batch)

    async def cutter():
        chance = random.Random(11)
        for _ in range(8):
            await asyncio.sleep(chance.uniform(0.1, 0.4))
            proxy.cut_after(chance.randrange(2000))
        await asyncio.sleep(0.5)
        over.set()

    await asyncio.wait_for(asyncio.gather(cutter(), *(caller() for _ in range(5))), 40)
    assert len(confirmed) > 100
    await eventually(lambda: confirmed <= set(holder.done), "all confirmed tickets are handled")
