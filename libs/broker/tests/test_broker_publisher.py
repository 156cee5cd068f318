"""What `publish` confirmed is in the queue; what it could not confirm, it names."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import (
    OCTETS_PER_MESSAGE,
    TICKETS_PER_MESSAGE,
    Published,
    PublishFailed,
    TicketPublisher,
    _batches,
)
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.errors import Unavailable

QUEUE = Queue.LOCAL_FILTER


@given(st.lists(st.integers(min_value=0, max_value=OCTETS_PER_MESSAGE + 10), max_size=130))
def test_batches_keep_order_and_both_bounds(sizes):
    tickets = [Ticket(spool_id=str(number), size=size) for number, size in enumerate(sizes)]
    batches = list(_batches(tickets))
    assert [ticket for batch in batches for ticket in batch] == tickets
    assert all(0 < len(batch) <= TICKETS_PER_MESSAGE for batch in batches)


def test_big_tickets_travel_in_more_messages():
    tickets = [Ticket(prefix=bytes(OCTETS_PER_MESSAGE // 3)) for _ in range(5)]
    assert [len(batch) for batch in _batches(tickets)] == [2, 2, 1]
    assert [len(batch) for batch in _batches([Ticket(prefix=bytes(2 * OCTETS_PER_MESSAGE))])] == [1]


async def test_tickets_travel_fifty_to_a_message_and_in_order(broker, tickets, taken):
    await TicketPublisher(broker).publish(QUEUE, tickets(0, 120))
    found = await taken(QUEUE)
    assert [len(batch) for batch in found] == [50, 50, 20]
    assert [spool_id for batch in found for spool_id in batch] == [
        ticket.spool_id for ticket in tickets(0, 120)
    ]


async def test_nothing_is_published_for_no_tickets(broker, taken):
    await TicketPublisher(broker).publish(QUEUE, [])
    assert await taken(QUEUE, seconds=0.1) == []


async def test_many_publishes_in_flight_are_all_confirmed_and_counted(broker, tickets, taken):
    publisher = TicketPublisher(broker)
    await asyncio.gather(*(publisher.publish(QUEUE, tickets(2 * n, 2)) for n in range(300)))
    assert publisher.progress() == {QUEUE: Published(tickets_out=600, messages_out=300)}
    assert sorted(spool_id for batch in await taken(QUEUE) for spool_id in batch) == [
        ticket.spool_id for ticket in tickets(0, 600)
    ]


async def test_without_a_connection_publish_fails_at_once_and_names_the_tickets(
    proxy, far_broker, tickets, eventually
):
    await proxy.refuse()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is reported")
    publisher = TicketPublisher(far_broker)
    async with asyncio.timeout(1):
        with pytest.raises(PublishFailed, match="no connection to RabbitMQ") as raised:
            await publisher.publish(QUEUE, tickets(0, 60))
    assert list(raised.value.tickets) == tickets(0, 60)
    assert isinstance(raised.value, Unavailable)
    assert publisher.progress() == {}


@pytest.mark.parametrize("octets", [0, 20, 5000])
async def test_a_cut_in_the_middle_of_a_publish_names_what_is_not_confirmed(
    proxy, far_broker, tickets, taken, octets
):
    publisher = TicketPublisher(far_broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    proxy.cut_after(octets)
    with pytest.raises(PublishFailed) as raised:
        await asyncio.wait_for(publisher.publish(QUEUE, tickets(1, 500)), 15)
    unconfirmed = {ticket.spool_id for ticket in raised.value.tickets}
    await asyncio.wait_for(far_broker.publishing.settled(), 15)
    await publisher.publish(QUEUE, tickets(501, 1))
    found = {spool_id for batch in await taken(QUEUE) for spool_id in batch}
    assert {ticket.spool_id for ticket in tickets(0, 502)} - unconfirmed <= found


async def test_what_is_confirmed_is_never_lost_while_the_connection_is_cut_again_and_again(
    proxy, far_broker, tickets, taken
):
    publisher = TicketPublisher(far_broker)
    confirmed: set[str] = set()
    numbers = iter(range(100_000))
    over = asyncio.Event()

    async def caller():
        while not over.is_set():
            batch = tickets(next(numbers), 1)
            try:
                await publisher.publish(QUEUE, batch)
            except PublishFailed:
                await asyncio.sleep(0.02)
            else:
                confirmed.add(batch[0].spool_id)

    async def cutter():
        chance = random.Random(7)
        for _ in range(8):
            await asyncio.sleep(chance.uniform(0.1, 0.3))
            proxy.cut_after(chance.randrange(3000))
        await asyncio.sleep(0.5)
        over.set()

    await asyncio.wait_for(asyncio.gather(cutter(), *(caller() for _ in range(10))), 40)
    found = {spool_id for batch in await taken(QUEUE) for spool_id in batch}
    assert len(confirmed) > 100
    assert confirmed <= found


async def test_a_broker_that_does_not_confirm_fails_the_publish_in_time(proxy, far_broker, tickets):
    publisher = TicketPublisher(far_broker, confirm_seconds=0.5)
    await publisher.publish(QUEUE, tickets(0, 1))
    proxy.stall()
    with pytest.raises(PublishFailed, match=r"no confirm within 0.5 s"):
        await asyncio.wait_for(publisher.publish(QUEUE, tickets(1, 1)), 5)
    proxy.flow()
    await publisher.publish(QUEUE, tickets(2, 1))


async def test_a_queue_that_was_deleted_is_declared_again(broker, tickets, taken, channel):
    publisher = TicketPublisher(broker)
    await channel.queue_delete(QUEUE)
    with pytest.raises(PublishFailed, match="was gone"):
        await publisher.publish(QUEUE, tickets(0, 1))
    await publisher.publish(QUEUE, tickets(1, 1))
    assert await taken(QUEUE) == [[tickets(1, 1)[0].spool_id]]


async def test_an_exchange_that_was_deleted_is_declared_again(broker, tickets, taken, channel):
    publisher = TicketPublisher(broker)
    await channel.exchange_delete(QUEUE.exchange)
    with pytest.raises(PublishFailed, match="was gone"):
        await publisher.publish(QUEUE, tickets(0, 1))
    await publisher.publish(QUEUE, tickets(1, 1))
    assert await taken(QUEUE) == [[tickets(1, 1)[0].spool_id]]


async def test_a_cancelled_publish_stays_cancelled(proxy, far_broker, tickets):
    publisher = TicketPublisher(far_broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    proxy.stall()
    publishing = asyncio.create_task(publisher.publish(QUEUE, tickets(1, 1)))
    await asyncio.sleep(0.1)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    proxy.flow()
    await publisher.publish(QUEUE, tickets(2, 1))
