"""Group commit: batches form while one is under way, and everyone hears of their own item."""

import asyncio
from collections.abc import Sequence

import pytest

from mailyard.store.group import LONGEST_GATHER_SECONDS, GroupCommit


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


class Store:
    """A commit that takes some time, and who comes back after it."""

    def __init__(self, seconds: float) -> None:
        self.sizes: list[int] = []
        self._seconds = seconds
        self.group: GroupCommit[int, Sequence[int], int] = GroupCommit(
            self._commit, self._conclude, max_items=100, max_octets=1000
        )

    async def _commit(self, items: Sequence[int]) -> Sequence[int]:
        self.sizes.append(len(items))
        await asyncio.sleep(self._seconds)
        return items

    async def _conclude(self, items: Sequence[int]) -> Sequence[int]:
        return items

    async def client(self, number: int, times: int) -> None:
        for _ in range(times):
            await self.group.submit(number)
            await asyncio.sleep(0.0005 * (number % 4))  # they come back one by one


async def test_clients_that_come_back_one_by_one_share_batches() -> None:
    store = Store(0.01)
    await asyncio.gather(*(store.client(number, 20) for number in range(20)))
    assert sum(store.sizes) == 400
    assert len(store.sizes) < 40  # 20 rounds of everybody; one batch for the first alone would make it 40


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits for others that a group begins."""
    begun: list[float] = []

    def noted(seconds: float) -> asyncio.Timeout:
        begun.append(seconds)
        return asyncio.Timeout(asyncio.get_running_loop().time() + seconds)

    monkeypatch.setattr("mailyard.store.group.asyncio.timeout", noted)
    return begun


async def test_a_client_that_is_alone_never_waits_for_others(waits: list[float]) -> None:
    store = Store(0.001)
    await store.client(0, 5)
    assert store.sizes == [1] * 5
    assert waits == []


async def test_a_crowd_that_does_not_come_back_costs_few_short_waits(waits: list[float]) -> None:
    store = Store(0.02)
    await asyncio.gather(*(store.client(number, 1) for number in range(20)))
    store.sizes.clear()
    waits.clear()
    await store.client(0, 10)
    assert store.sizes == [1] * 10
    assert waits == [LONGEST_GATHER_SECONDS] * len(waits)
    assert len(waits) <= 5  # 20, 10, 5, 3 and 2 are expected in turn, and then one
