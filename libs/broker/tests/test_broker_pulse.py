"""A connection that is open and answers nothing is found; slowness, errors and permitted silence are not mistaken for it."""

import asyncio
import time

import pytest

from mailyard.broker import pulse
from mailyard.broker.pulse import wait_for_silence


async def _at_once() -> None:
    """Return."""


async def _never() -> None:
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(pulse, "OWN_PAUSE_SECONDS", 0.1)


async def test_a_question_without_answer_ends_the_watch():
    async with asyncio.timeout(2):
        await wait_for_silence(_at_once, _never, pulse_seconds=0.01, answer_seconds=0.05)


async def test_answers_and_errors_are_signs_of_life():
    asked = []

    async def ask():
        asked.append(1)
        if len(asked) % 2:
            raise RuntimeError("there is no such exchange")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await wait_for_silence(_at_once, ask, pulse_seconds=0.01, answer_seconds=0.05)
    assert len(asked) > 3


async def test_a_question_that_ends_with_a_cancellation_that_nobody_asked_for_is_a_sign_of_life():
    asked = []

    async def ask():
        asked.append(1)
        raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await wait_for_silence(_at_once, ask, pulse_seconds=0.01, answer_seconds=0.05)
    assert len(asked) > 3


async def test_nothing_is_asked_while_the_broker_blocks_the_connection():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await wait_for_silence(_never, _never, pulse_seconds=0.01, answer_seconds=0.05)


async def test_an_answer_that_came_during_a_pause_of_the_process_counts():
    loop = asyncio.get_running_loop()

    async def ask():
        answer = loop.create_future()
        loop.call_later(0.02, lambda: time.sleep(0.2))
        loop.call_later(0.1, answer.set_result, None)
        await answer

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await wait_for_silence(_at_once, ask, pulse_seconds=0.01, answer_seconds=0.05)
