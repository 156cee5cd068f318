"""Mailbox events wake the sessions of other processes; a lost one is a delay, never an error."""

import asyncio

import pytest
from aio_pika import Message
from structlog.testing import capture_logs

from mailyard.broker.connection import Broker
from mailyard.broker.events import SHARDS, MailboxEvents, shard_of
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent, MailboxEventBatch


class Ear:
    """A subscriber that remembers the modseqs that it was told."""

    def __init__(self):
        self.heard: list[int] = []

    def __call__(self, event):
        self.heard.append(event.highest_modseq)


@pytest.fixture
async def speaker(vhost_url, started):
    """Events of another process."""
    return await started(MailboxEvents(await started(Broker(vhost_url, "speaker"))))


@pytest.fixture
async def listener(far_broker, started):
    """Events of this process, behind the proxy."""
    return await started(MailboxEvents(far_broker))


async def subscribed(listener, mailbox, ear, eventually):
    """Subscribe, and wait for the first event: look yourself."""
    await listener.subscribe(mailbox, ear)
    await eventually(lambda: shard_of(mailbox) in listener._bound, "the binding is there")


def event(mailbox, modseq):
    return MailboxEvent(mailbox=mailbox, highest_modseq=modseq)


async def test_a_subscriber_hears_of_its_mailbox_only(speaker, listener, eventually):
    ear = Ear()
    await subscribed(listener, "a1", ear, eventually)
    await speaker.publish([event("b2", 5), event("a1", 7), event("a1", 8)])
    await eventually(lambda: 8 in ear.heard, "the event")
    assert ear.heard in ([7, 8], [0, 7, 8])


async def test_all_subscribers_of_a_mailbox_hear_even_if_one_fails(speaker, listener, eventually):
    ears = [Ear(), Ear()]

    def broken(_event):
        raise RuntimeError("broken")

    await subscribed(listener, "a1", ears[0], eventually)
    await listener.subscribe("a1", broken)
    await listener.subscribe("a1", ears[1])
    await speaker.publish([event("a1", 7)])
    await eventually(lambda: all(7 in ear.heard for ear in ears), "both hear")


async def test_who_has_unsubscribed_hears_no_more(speaker, listener, eventually):
    ears = [Ear(), Ear()]
    await subscribed(listener, "a1", ears[0], eventually)
    await subscribed(listener, "b2", ears[1], eventually)
    await listener.unsubscribe("a1", ears[0])
    await listener.unsubscribe("a1", ears[0])
    await speaker.publish([event("a1", 7), event("b2", 8)])
    await eventually(lambda: 8 in ears[1].heard, "the other one hears")
    assert 7 not in ears[0].heard
    await eventually(lambda: listener._bound == {shard_of("b2")}, "the binding is gone")


async def test_after_a_lost_connection_subscribers_look_themselves_and_hear_again(
    proxy, speaker, listener, eventually
):
    ear = Ear()
    await subscribed(listener, "a1", ear, eventually)
    await speaker.publish([event("a1", 7)])
    await eventually(lambda: 7 in ear.heard, "the event")
    ear.heard.clear()
    proxy.cut()
    await eventually(lambda: ear.heard == [0], "the call to look")
    await speaker.publish([event("a1", 9)])
    await eventually(lambda: ear.heard == [0, 9], "the event after that")


async def test_subscriptions_made_while_the_broker_is_away_are_bound_later(
    proxy, speaker, far_broker, listener, eventually
):
    await proxy.refuse()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is told")
    ear = Ear()
    async with asyncio.timeout(1):
        await listener.subscribe("a1", ear)
    await proxy.accept()
    await eventually(lambda: ear.heard == [0], "the call to look")
    await speaker.publish([event("a1", 3)])
    await eventually(lambda: ear.heard == [0, 3], "the event")


async def test_publishing_without_a_broker_is_no_error(proxy, far_broker, listener, eventually):
    await listener.publish([event("a1", 1)])
    await proxy.refuse()
    await eventually(lambda: far_broker.not_ready_reason() is not None, "the loss is told")
    async with asyncio.timeout(1):
        await listener.publish([event("a1", 1)])


async def test_what_is_no_event_is_passed_over(speaker, listener, channel, eventually):
    ear = Ear()
    await subscribed(listener, "a1", ear, eventually)
    exchange = await channel.get_exchange("mailbox.events")
    await exchange.publish(Message(b"\xff\xff"), "a1", mandatory=False)
    await speaker.publish([event("a1", 4)])
    await eventually(lambda: 4 in ear.heard, "the event")


async def test_an_exchange_that_was_deleted_is_declared_again(speaker, listener, channel, eventually):
    ear = Ear()
    await subscribed(listener, "a1", ear, eventually)
    await channel.exchange_delete("mailbox.events")
    await listener.subscribe("b2", Ear())  # finds that the exchange is gone
    await eventually(lambda: ear.heard.count(0) >= 2, "the call to look")
    await eventually(lambda: listener._bound == {shard_of("a1"), shard_of("b2")}, "both bindings")
    await speaker.publish([event("a1", 5)])
    await eventually(lambda: 5 in ear.heard, "the event")


async def test_events_never_make_a_process_unready(listener):
    assert listener.not_ready_reason() is None


async def test_subscribing_waits_for_no_answer_of_the_broker(listener):
    async with asyncio.timeout(1):
        for number in range(20_000):
            await listener.subscribe(f"mailbox {number}", Ear())


async def test_ten_thousand_mailboxes_are_heard_again_soon_after_a_reconnection(
    proxy, speaker, listener, eventually
):
    ears = {f"{number:024x}": Ear() for number in range(10_000)}
    for mailbox, ear in ears.items():
        await listener.subscribe(mailbox, ear)
    await eventually(lambda: all(ear.heard == [0] for ear in ears.values()), "all are bound")
    assert len(listener._bound) == SHARDS
    for ear in ears.values():
        ear.heard.clear()
    proxy.cut()
    await eventually(lambda: all(ear.heard == [0] for ear in ears.values()), "all are bound again")
    await speaker.publish([event(mailbox, 5) for mailbox in ears])
    await eventually(lambda: all(5 in ear.heard for ear in ears.values()), "every mailbox's event")


async def test_a_binding_that_fails_is_logged_and_made_later(speaker, listener, eventually, monkeypatch):
    ear = Ear()
    await subscribed(listener, "a1", ear, eventually)
    settle, failures = listener._settle, []

    async def failing(channel, queue):
        if len(failures) < 2:
            failures.append(queue)
            raise TimeoutError
        await settle(channel, queue)

    monkeypatch.setattr(listener, "_settle", failing)
    with capture_logs() as lines:
        await listener.subscribe("b2", ear)
        await eventually(lambda: shard_of("b2") in listener._bound, "the binding after the failures")
    assert [line["event"] for line in lines].count("events.binding_failed") == len(failures) == 2
    await speaker.publish([event("b2", 6)])
    await eventually(lambda: 6 in ear.heard, "the event")


async def test_receivers_of_version_0_2_are_reached_by_the_mailbox_id(speaker, channel, eventually):
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind("mailbox.events", "a1")
    await speaker.publish([event("b2", 5), event("a1", 7)])
    async with asyncio.timeout(10):
        async with queue.iterator() as incoming:
            message = await anext(incoming)
    batch = MailboxEventBatch.FromString(message.body)
    assert [each.mailbox for each in batch.events] == ["b2", "a1"]
