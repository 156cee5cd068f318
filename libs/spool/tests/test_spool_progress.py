"""A process reports its progress each second for as long as it runs, also after an outage of the store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailyard.broker.consumer import Progress
from mailyard.broker.pipeline import Queue
from mailyard.broker.publisher import Published
from mailyard.runtime.clock import to_ms
from mailyard.runtime.errors import Unavailable
from mailyard.spool.watch.progress import COLLECTION, LIVE, ProgressReporter, live, read_progress

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Consumer:
    """A consumer that has taken `tickets` tickets, and holds the last of them."""

    def __init__(self, queue=Queue.LOCAL_DELIVER, tickets=0):
        self.queue, self.tickets = queue, tickets

    def progress(self):
        return Progress(
            queue=self.queue,
            tickets_in=self.tickets,
            messages_in=self.tickets,
            tickets_done=max(0, self.tickets - 1),
            tickets_in_hand=min(1, self.tickets),
            taken_until_ms=to_ms(NOW) if self.tickets else 0,
            oldest_in_hand_ms=to_ms(NOW) if self.tickets else None,
        )


class Publisher:
    """A publisher that has put 4 tickets in 2 messages into the queue of delivery."""

    def progress(self):
        return {Queue.LOCAL_DELIVER: Published(tickets_out=4, messages_out=2)}


def reporter(store, name="pod", clock=lambda: NOW, **more):
    return ProgressReporter(store, name, clock=clock, **more)


async def eventually(condition):
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  # the store tells nobody of a change
            await asyncio.sleep(0.01)


async def test_a_process_that_only_publishes_is_no_consumer(store):
    await reporter(store, publisher=Publisher()).report()
    [found] = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert (found.tickets_out, found.messages_out, found.consumes) == (4, 2, False)
    assert (found.taken_until_ms, found.oldest_in_hand_ms, found.tickets_in) == (None, None, 0)
    assert live([found], NOW) == []


async def test_a_consumer_that_has_taken_nothing_yet_knows_no_release_time(store):
    await reporter(store, consumers=[Consumer()]).report()
    [found] = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert (found.consumes, found.taken_until_ms, found.oldest_in_hand_ms) == (True, None, None)


async def test_one_process_has_one_row_for_each_queue_whatever_it_does_with_it(store):
    consumers = [Consumer(tickets=3), Consumer(Queue.REMOTE_SEND, tickets=1)]
    both = reporter(store, consumers=consumers, publisher=Publisher())
    await both.report()
    await both.report()
    assert await store.collection(COLLECTION).count_documents({}) == 2
    found = await read_progress(store, NOW)
    [delivery] = found[Queue.LOCAL_DELIVER]
    assert (delivery.tickets_in, delivery.tickets_out, delivery.oldest_in_hand_ms) == (3, 4, to_ms(NOW))
    assert {queue: len(reports) for queue, reports in found.items() if reports} == {
        Queue.LOCAL_DELIVER: 1,
        Queue.REMOTE_SEND: 1,
    }


async def test_processes_do_not_overwrite_each_other(store):
    await reporter(store, "pod-0", consumers=[Consumer(tickets=1)]).report()
    await reporter(store, "pod-1", consumers=[Consumer(tickets=2)]).report()
    reports = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert sorted(each.tickets_in for each in reports) == [1, 2]


async def test_a_row_from_the_future_is_not_read_and_one_of_a_clock_that_is_a_little_fast_is(store):
    await reporter(store, "fast", clock=lambda: NOW + LIVE, consumers=[Consumer(tickets=1)]).report()
    await reporter(
        store, "wrong", clock=lambda: NOW + LIVE + SECOND, consumers=[Consumer(tickets=2)]
    ).report()
    reports = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert [each.tickets_in for each in reports] == [1]


async def test_a_consumer_is_live_up_to_the_limit_and_not_beyond(store):
    await reporter(store, consumers=[Consumer()]).report()
    [found] = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert live([found], NOW + LIVE) == [found]
    assert live([found], NOW + LIVE + timedelta(milliseconds=1)) == []
    assert live([replace(found, consumes=False)], NOW) == []


async def test_reporting_begins_at_the_start_and_goes_on_while_the_process_drains(store):
    consumer = Consumer(tickets=1)
    part = reporter(store, consumers=[consumer])
    assert part.not_ready_reason() is None, "it is not started"
    await part.start()

    async def reported(tickets):
        [*found] = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
        return bool(found) and found[0].tickets_in == tickets

    await eventually(lambda: reported(1))
    assert part.not_ready_reason() is None
    await part.drain()
    consumer.tickets = 2
    await eventually(lambda: reported(2))
    await part.close()
    assert part.not_ready_reason() == "progress is not reported any more"


async def test_the_last_report_is_written_when_the_process_ends(store):
    consumer = Consumer(tickets=1)
    part = reporter(store, consumers=[consumer])
    await part.start()
    consumer.tickets = 9
    await part.close()
    [found] = (await read_progress(store, NOW))[Queue.LOCAL_DELIVER]
    assert found.tickets_in == 9


async def test_a_component_that_was_never_started_can_be_closed(store):
    await reporter(store).close()
    assert await store.collection(COLLECTION).count_documents({}) == 0


async def test_an_unreachable_store_does_not_end_the_reports(store, monkeypatch):
    part = reporter(store, consumers=[Consumer(tickets=1)])
    real, calls = part.report, []

    async def report():
        calls.append(len(calls))
        if len(calls) <= 2:
            raise Unavailable("the store is unreachable")
        await real()

    monkeypatch.setattr(part, "report", report)
    monkeypatch.setattr("mailyard.spool.watch.progress._INTERVAL_SECONDS", 0.01)
    await part.start()

    async def reported():
        return bool((await read_progress(store, NOW))[Queue.LOCAL_DELIVER])

    await eventually(reported)
    assert len(calls) >= 3
    assert part.not_ready_reason() is None
    await part.close()


async def test_a_fault_of_the_program_that_ends_the_reports_makes_the_process_not_ready(store, monkeypatch):
    part = reporter(store)

    async def fault():
        raise ValueError

    monkeypatch.setattr(part, "report", fault)
    await part.start()

    async def ended():
        return part.not_ready_reason() is not None

    await eventually(ended)
    with pytest.raises(ValueError):
        await part.close()
