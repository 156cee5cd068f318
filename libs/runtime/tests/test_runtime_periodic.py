"""Periodic work goes on after failures, at once while there is more to do, and ends when the service drains."""

import asyncio
import io
import json

import pytest

from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import configure_logs
from mailyard.runtime.periodic import Periodic

LIMIT = 5


class Work:
    """Counts its calls; each answer of the list is returned or raised, the last one again and again."""

    def __init__(self, *answers):
        self.calls = 0
        self.changed = asyncio.Event()
        self._answers = list(answers)

    async def __call__(self):
        self.calls += 1
        self.changed.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def called(self, times):
        async with asyncio.timeout(LIMIT):
            while self.calls < times:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def log():
    out = io.StringIO()
    configure_logs("sample", stream=out)
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
async def started():
    parts = []

    async def start(work, seconds):
        parts.append(Periodic("sweep", seconds, work))
        await parts[-1].start()
        return parts[-1]

    yield start
    for part in parts:
        await part.close()


async def test_the_first_call_comes_at_once_and_the_next_after_the_pause(started):
    work = Work(False)
    await started(work, 3600)
    await work.called(1)
    await asyncio.sleep(0)
    assert work.calls == 1


async def test_work_that_has_more_to_do_is_called_again_without_a_pause(started):
    work = Work(True, True, True, False)
    await started(work, 3600)
    await work.called(4)
    assert work.calls == 4


async def test_a_server_that_is_unreachable_is_a_warning_and_the_next_call_comes(started, log):
    work = Work(Unavailable("MongoDB does not answer"), False)
    await started(work, 0.001)
    await work.called(2)
    (line,) = [each for each in log() if each["event"] == "periodic.unavailable"]
    assert (line["level"], line["task"], line["error"]) == ("warning", "sweep", "MongoDB does not answer")


async def test_a_fault_is_logged_with_its_traceback_and_the_next_call_comes(started, log):
    work = Work(ZeroDivisionError("a bug"), False)
    await started(work, 0.001)
    await work.called(2)
    (line,) = [each for each in log() if each["event"] == "periodic.failed"]
    assert "ZeroDivisionError: a bug" in line["exception"]


async def test_draining_lets_the_call_in_hand_end_and_makes_no_other(started):
    going_on, may_end = asyncio.Event(), asyncio.Event()
    ended = 0

    async def work():
        nonlocal ended
        going_on.set()
        await may_end.wait()
        ended += 1
        return True  # more to do, but the service drains

    part = await started(work, 0.001)
    await going_on.wait()
    draining = asyncio.create_task(part.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    may_end.set()
    async with asyncio.timeout(LIMIT):
        await draining
    assert ended == 1


async def test_closing_cancels_a_call_that_does_not_end(started):
    cancelled = asyncio.Event()
    going_on = asyncio.Event()

    async def work():
        going_on.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return False

    part = await started(work, 1)
    await going_on.wait()
    async with asyncio.timeout(LIMIT):
        await part.close()
    assert cancelled.is_set()


async def test_periodic_work_is_never_a_reason_against_readiness(started):
    part = await started(Work(ZeroDivisionError("a bug")), 0.001)
    assert part.not_ready_reason() is None
