"""Pauses double up to a limit, vary, and end early when they are asked to."""

import asyncio
import time

import pytest

from mailyard.runtime import backoff
from mailyard.runtime.backoff import Backoff, pause


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, without the time that they take."""
    made = []

    async def note(seconds, _unless=None):
        made.append(seconds)

    monkeypatch.setattr(backoff, "pause", note)
    return made


async def test_the_pauses_double_up_to_the_longest(pauses, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    waits = Backoff(0.5, 3.0)
    for _ in range(5):
        await waits.wait()
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_a_pause_is_at_least_half_and_at_most_all_of_its_length(pauses):
    waits = Backoff(4.0, 4.0)
    for _ in range(200):
        await waits.wait()
    assert 2.0 <= min(pauses) < max(pauses) <= 4.0


async def test_a_success_begins_with_the_shortest_pause_again(pauses, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    waits = Backoff(0.5, 3.0)
    await waits.wait()
    await waits.wait()
    waits.reset()
    assert waits.seconds == 0.5
    await waits.wait()
    assert pauses == [0.5, 1.0, 0.5]


async def test_a_pause_ends_when_the_event_is_set():
    event = asyncio.Event()
    waiting = asyncio.create_task(pause(60, event))
    await asyncio.sleep(0)
    event.set()
    async with asyncio.timeout(5):
        await waiting


@pytest.mark.parametrize("event", [None, asyncio.Event()])
async def test_a_pause_without_an_interruption_lasts_as_long_as_it_says(event):
    began = time.monotonic()
    await pause(0.02, event)
    assert time.monotonic() - began >= 0.02
