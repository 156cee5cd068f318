"""A broker that is away is waited for, a lost one is found again, and both are told in plain words."""

import asyncio
import time

import pytest
from yarl import URL

from mailyard.broker.connection import Broker, QueueDepth
from mailyard.broker.link import check_version, parse_url
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.topology import TopologyMismatch
from mailyard.runtime.errors import Misconfigured, Unavailable


async def test_start_waits_for_a_broker_that_is_away(proxy, eventually):
    await proxy.refuse()
    broker = Broker(proxy.url, "test")
    starting = asyncio.create_task(broker.start())
    await eventually(
        lambda: "cannot be used" in (broker.not_ready_reason() or ""), "a reason that names the broker"
    )
    assert not starting.done()
    await proxy.accept()
    await asyncio.wait_for(starting, 15)
    assert broker.not_ready_reason() is None
    await broker.close()


async def test_start_does_not_wait_when_the_broker_is_not_required(proxy, monkeypatch, started, eventually):
    monkeypatch.setattr("mailyard.broker.connection.FIRST_TRY_SECONDS", 0.2)
    await proxy.refuse()
    broker = await started(Broker(proxy.url, "test", required=False))
    assert broker.not_ready_reason() is None
    assert "cannot be used" in broker.degraded()
    with pytest.raises(Unavailable, match="no connection to RabbitMQ"):
        await broker.depth(Queue.DEAD)
    await proxy.accept()
    await eventually(lambda: broker.degraded() is None, "both connections up")


async def test_a_lost_broker_that_is_not_required_degrades_the_process_and_leaves_it_ready(
    proxy, started, eventually
):
    broker = await started(Broker(proxy.url, "test", required=False, meanwhile="mail is accepted"))
    assert (broker.not_ready_reason(), broker.degraded()) == (None, None)
    await proxy.refuse()
    await eventually(broker.degraded, "the loss is reported")
    assert broker.not_ready_reason() is None
    assert broker.degraded().endswith("; mail is accepted")
    await proxy.accept()
    await eventually(lambda: broker.degraded() is None, "both connections up")


async def test_a_lost_broker_that_is_required_is_no_degradation_but_a_reason_against_readiness(
    proxy, far_broker, eventually
):
    await proxy.refuse()
    await eventually(far_broker.not_ready_reason, "the loss is reported")
    assert far_broker.degraded() is None


async def test_a_refused_password_is_told_with_the_setting(vhost_url, eventually):
    broker = Broker(str(URL(vhost_url).with_password("wrong")), "test")
    starting = asyncio.create_task(broker.start())
    told = await eventually(
        lambda: "refuses" in (broker.not_ready_reason() or "") and broker.not_ready_reason(), "a refusal"
    )
    assert "correct MAILYARD_AMQP_URL" in told
    assert "wrong@" not in told
    starting.cancel()
    await broker.close()


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost/", "amqp://host:port/"])
def test_a_url_that_is_none_is_misconfigured(url):
    with pytest.raises(Misconfigured, match="amqp://user:password@host:5672/vhost"):
        parse_url(url)


def test_a_url_gets_its_port_and_a_heartbeat_unless_it_has_them():
    assert str(parse_url("amqps://mq/v")) == "amqps://mq:5671/v?heartbeat=20"
    assert str(parse_url("amqp://mq:1/v?heartbeat=30")) == "amqp://mq:1/v?heartbeat=30"


@pytest.mark.parametrize(
    ("version", "fits"), [("3.9.29", False), ("3.10.8", True), ("4.2.1", True), ("", True)]
)
def test_brokers_before_3_10_are_refused(version, fits):
    if fits:
        check_version(version)
    else:
        with pytest.raises(Misconfigured, match="too old"):
            check_version(version)


async def test_start_fails_when_a_queue_has_other_properties(vhost_url, channel):
    await channel.declare_queue("remote.send", durable=True)
    for _ in range(20):  # a link may be anywhere in its closing when it is told to end
        broker = Broker(vhost_url, "test")
        with pytest.raises(TopologyMismatch, match=r"delete_queue remote\.send"):
            await asyncio.wait_for(broker.start(), 15)
        await asyncio.wait_for(broker.close(), 15)


async def test_a_cut_connection_comes_back_and_the_topology_is_declared_again(
    proxy, far_broker, channel, eventually
):
    await channel.queue_delete(Queue.SMTP_IN_ROUTE)
    before = proxy.connections
    proxy.cut()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is told")
    assert "lost" in far_broker.not_ready_reason()
    await eventually(lambda: far_broker.not_ready_reason() is None, "both connections up")
    assert proxy.connections == before + 2
    assert await far_broker.depth(Queue.SMTP_IN_ROUTE) == QueueDepth(0, 0)


async def test_a_mismatch_met_at_reconnection_is_told_and_mended_when_it_is_gone(
    proxy, far_broker, channel, eventually
):
    await channel.queue_delete(Queue.LOCAL_FILTER)
    await channel.declare_queue(Queue.LOCAL_FILTER, durable=True)
    proxy.cut()
    await eventually(
        lambda: "other properties" in (far_broker.not_ready_reason() or ""), "the mismatch is told"
    )
    await channel.queue_delete(Queue.LOCAL_FILTER)
    await eventually(lambda: far_broker.not_ready_reason() is None, "both connections up")


@pytest.mark.slow
async def test_a_stalled_connection_is_noticed_within_20_seconds(proxy, far_broker, eventually):
    proxy.stall()
    began = time.monotonic()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the stall is told", seconds=20)
    assert time.monotonic() - began > 3
    proxy.flow()
    await eventually(lambda: far_broker.not_ready_reason() is None, "both connections up")


@pytest.mark.slow
async def test_a_process_that_pauses_for_ten_seconds_keeps_its_connections(proxy, far_broker):
    before = proxy.connections
    time.sleep(10)  # noqa: ASYNC251  # the loop stands still, as on a throttled node
    for _ in range(40):
        await asyncio.sleep(0.1)
        assert far_broker.not_ready_reason() is None
    assert proxy.connections == before


async def test_depth_counts_messages_of_a_queue(broker, tickets, eventually):
    publisher = TicketPublisher(broker)
    await publisher.publish(Queue.LOCAL_DELIVER, tickets(0, 3))
    await publisher.publish(Queue.LOCAL_DELIVER, tickets(3, 1))
    assert await broker.depth(Queue.LOCAL_DELIVER) == QueueDepth(messages=2, consumers=0)
    assert await broker.depth(Queue.LOCAL_FILTER) == QueueDepth(messages=0, consumers=0)


async def test_the_depth_of_a_queue_that_is_gone_is_unavailable_and_other_questions_go_on(broker, channel):
    await channel.queue_delete(Queue.LOCAL_DELIVER)
    with pytest.raises(Unavailable, match=r"does not tell the depth of local\.deliver"):
        await broker.depth(Queue.LOCAL_DELIVER)
    assert await broker.depth(Queue.LOCAL_FILTER) == QueueDepth(messages=0, consumers=0)


async def test_closing_a_broker_that_never_came_up_ends_at_once(proxy):
    await proxy.refuse()
    broker = Broker(proxy.url, "test")
    starting = asyncio.create_task(broker.start())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait_for(broker.close(), 5)
