"""Depth, age and lost tickets are measured for every queue of the pipeline, and for no other."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from mailyard.broker.connection import QueueDepth
from mailyard.broker.consumer import Progress
from mailyard.broker.pipeline import STAGES, Queue, QueuePath
from mailyard.broker.publisher import Published
from mailyard.runtime.clock import to_ms
from mailyard.spool.watch.depth import read_depths
from mailyard.spool.watch.horizon import path_horizons
from mailyard.spool.watch.progress import LIVE, ProgressReporter, read_progress

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAKEN = NOW - timedelta(seconds=90)


class Publisher:
    """50 tickets in each of 4 messages for the filter."""

    def progress(self) -> dict[Queue, Published]:
        return {Queue.LOCAL_FILTER: Published(Queue.LOCAL_FILTER, tickets_out=200, messages_out=4)}


class Consumer:
    """Has taken one of them."""

    def progress(self) -> Progress:
        return Progress(
            queue=Queue.LOCAL_FILTER,
            tickets_in=50,
            messages_in=1,
            tickets_done=50,
            tickets_in_hand=0,
            taken_until_ms=to_ms(TAKEN),
            oldest_in_hand_ms=None,
        )


class Broker:
    """Three messages wait for the filter, none elsewhere."""

    async def depth(self, queue: Queue) -> QueueDepth:
        return QueueDepth(3, 1) if queue is Queue.LOCAL_FILTER else QueueDepth(0, 0)


def reporter(store, **more: Any) -> ProgressReporter:
    return ProgressReporter(
        store,
        "pod",
        consumers=[cast("Any", Consumer())],
        publisher=cast("Any", Publisher()),
        clock=lambda: NOW,
        **more,
    )


async def test_every_queue_has_a_depth_in_mails_and_an_age(store):
    await reporter(store).report()
    depths = {depth.queue: depth for depth in await read_depths(store, cast("Any", Broker()), NOW)}
    assert list(depths) == list(Queue)
    found = depths.pop(Queue.LOCAL_FILTER)
    assert (found.mails, found.messages, found.consumers, found.oldest_seconds) == (150, 3, 1, 90.0)
    assert {(depth.mails, depth.oldest_seconds) for depth in depths.values()} == {(0, 0.0)}


async def test_the_oldest_open_row_bounds_the_age_of_a_queue(store, insert):
    await reporter(store).report()
    await insert("a", route="local", due_at=NOW - timedelta(seconds=30))
    depths = {depth.queue: depth for depth in await read_depths(store, cast("Any", Broker()), NOW)}
    assert depths[Queue.LOCAL_FILTER].oldest_seconds == 30.0


async def test_progress_is_read_back_as_it_was_reported(store):
    await reporter(store).report()
    await reporter(store).report()
    progress = await read_progress(store, NOW)
    assert list(progress) == list(Queue)
    [found] = progress[Queue.LOCAL_FILTER]
    assert (found.consumes, found.taken_until_ms, found.oldest_in_hand_ms) == (True, to_ms(TAKEN), None)
    assert (found.tickets_in, found.messages_in, found.tickets_out, found.messages_out) == (50, 1, 200, 4)
    assert await read_progress(store, NOW - LIVE - timedelta(seconds=1)) == {queue: [] for queue in Queue}


async def test_a_process_without_queues_reports_nothing(store):
    await ProgressReporter(store, "pod").report()
    assert await store.collection("progress").count_documents({}) == 0


@pytest.mark.parametrize("stage", STAGES, ids=[stage.queue for stage in STAGES])
def test_a_queue_that_may_hold_any_ticket_keeps_the_rows_of_its_paths(stage):
    horizons = {queue: None if queue is stage.queue else NOW for queue in Queue}
    kept = {path for path, before in path_horizons(horizons).items() if before is None}
    assert kept == {path for path in QueuePath if stage.queue in path.queues}
    assert QueuePath.UNKNOWN in kept
