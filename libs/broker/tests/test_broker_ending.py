"""Tasks end although something in them keeps a cancellation to itself."""

import asyncio
import contextlib

from mailyard.broker.ending import end


async def deaf(times: int, heard: list[int]) -> None:
    for number in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        heard.append(number)
    await asyncio.sleep(60)


async def test_tasks_are_cancelled_until_they_have_ended():
    heard: list[int] = []
    tasks = [asyncio.create_task(deaf(times, heard)) for times in (0, 2)]
    await asyncio.sleep(0)
    await asyncio.wait_for(end(*tasks), 10)
    assert heard == [0, 1]
    assert all(task.cancelled() for task in tasks)


async def test_nothing_to_end_is_no_wait():
    await asyncio.wait_for(end(), 1)
