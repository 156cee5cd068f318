"""Group commit: batches form while one is under way, and everyone hears of their own item."""

import asyncio
from collections.abc import Sequence

import pytest

from mailyard.store.group import GroupCommit


class Recorder:
    """A commit that waits until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.open.wait()
        if 13 in items:
            raise ValueError("thirteen")
        return list(items)

    async def conclude(self, committed: list[int]) -> list[int]:
        return [item * 10 for item in committed]


def group_of(recorder: Recorder, **limits: int) -> GroupCommit[int, list[int], int]:
    return GroupCommit(
        recorder.commit, recorder.conclude, **({"max_items": 100, "max_octets": 1000} | limits)
    )


async def test_a_lone_item_goes_at_once_and_a_crowd_goes_together() -> None:
    recorder = Recorder()
    group = group_of(recorder)
    recorder.open.clear()
    first = group.submit(1)
    await asyncio.sleep(0)
    rest = [group.submit(number) for number in (2, 3, 4)]
    recorder.open.set()
    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40]
    assert recorder.batches == [[1], [2, 3, 4]]


async def test_a_batch_ends_at_its_number_of_items_and_at_its_weight() -> None:
    recorder = Recorder()
    group = group_of(recorder, max_items=3, max_octets=100)
    await asyncio.gather(*(group.submit(number) for number in range(5)))
    await asyncio.gather(*(group.submit(number, 60) for number in range(4)))
    assert recorder.batches == [[0, 1, 2], [3, 4], [0, 1], [2, 3]]


async def test_an_error_reaches_everyone_of_its_batch_and_nobody_else() -> None:
    recorder = Recorder()
    group = group_of(recorder, max_items=2)
    results = await asyncio.gather(
        *(group.submit(number) for number in (13, 1, 2, 3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [ValueError, ValueError, int, int]


async def test_the_next_batch_is_committed_while_the_last_one_concludes() -> None:
    order: list[str] = []
    concluding = asyncio.Event()

    async def commit(items: Sequence[int]) -> Sequence[int]:
        order.append(f"commit {list(items)}")
        return items

    async def conclude(items: Sequence[int]) -> Sequence[int]:
        if 1 in items:
            await concluding.wait()
        order.append(f"conclude {list(items)}")
        return items

    group = GroupCommit(commit, conclude, max_items=1, max_octets=10)
    first, second = group.submit(1), group.submit(2)
    assert await second == 2
    concluding.set()
    assert await first == 1
    assert order == ["commit [1]", "commit [2]", "conclude [2]", "conclude [1]"]


async def test_idle_waits_for_what_has_been_submitted() -> None:
    group = group_of(Recorder())
    futures = [group.submit(number) for number in range(3)]
    await group.idle()
    assert all(future.done() for future in futures)


async def test_a_waiter_that_gave_up_does_not_disturb_the_others() -> None:
    recorder = Recorder()
    recorder.open.clear()
    group = group_of(recorder)
    first, second = group.submit(1), group.submit(2)
    await asyncio.sleep(0)
    first.cancel()
    recorder.open.set()
    assert await second == 20
    with pytest.raises(asyncio.CancelledError):
        await first
