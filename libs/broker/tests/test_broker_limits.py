"""A queue at its limit refuses, and takes again when there is room or when the limit is lifted."""

import asyncio
import time

import pytest
from yarl import URL

from mailyard.broker import keptchannel
from mailyard.broker.publisher import PublishFailed, TicketPublisher
from mailyard.broker.topology import Queue

QUEUE = Queue.LOCAL_FILTER


@pytest.fixture
def limit(own_broker, vhost_url):
    """`await limit(messages)`: set the length limit of the queue by a policy; None lifts it."""
    if own_broker is None:
        pytest.skip("a policy needs rabbitmqctl of a broker of ours: unset MAILYARD_AMQP_URL")
    vhost = URL(vhost_url).path.lstrip("/")

    async def set_limit(messages):
        words = ["set_policy", "-p", vhost, "limit", f"^{QUEUE}$", f'{{"max-length":{messages}}}']
        await asyncio.to_thread(
            own_broker.control, words if messages else ["clear_policy", "-p", vhost, "limit"]
        )

    return set_limit


async def taken_until_refused(publisher, tickets):
    """Publish until it is refused; return how many were taken and why the next one was not."""
    for number in range(100):
        try:
            await publisher.publish(QUEUE, tickets(number, 1))
        except PublishFailed as refusal:
            return number, str(refusal)
    return 100, ""


async def test_a_full_queue_refuses_and_takes_again_when_the_limit_is_lifted(
    broker, tickets, limit, monkeypatch
):
    monkeypatch.setattr(keptchannel, "RENEWAL_SECONDS", 0.1)
    publisher = TicketPublisher(broker)
    await publisher.publish(QUEUE, tickets(0, 1))
    await limit(5)
    number, reason = await taken_until_refused(publisher, tickets)
    assert number < 10
    assert "the queue is full" in reason
    await limit(None)
    deadline = time.monotonic() + 10
    while (await taken_until_refused(publisher, tickets))[0] < 100:
        assert time.monotonic() < deadline, "still refused though the limit was lifted"
