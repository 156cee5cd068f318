"""Group commit: one batch is committed while the next batch gathers.

A single item is committed at once; items that are submitted at the same time are committed together. Submitters that
have just got their answers submit again one after the other, within milliseconds. A batch that began with the first of
them would leave the others to the next batch, and every commit would be paid for twice. So a batch waits for as many
items as the last batch had, but no longer than a commit takes; after a batch of one item it does not wait. The work
after the commit (such as publishing) runs beside the commit of the next batch.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

LONGEST_GATHER_SECONDS = 0.01

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")

_Waiting = tuple[T, asyncio.Future[R], int]


class GroupCommit(Generic[T, M, R]):
    """Gathers items into batches and commits one batch at a time."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[M]],
        conclude: Callable[[M], Awaitable[Sequence[R]]],
        *,
        max_items: int,
        max_octets: float = math.inf,
    ) -> None:
        """Commit by `commit`, then answer by `conclude` with one result for each item, in order.

        What either raises is raised to every submitter of the batch.

        Args:
            commit: stores a batch; never runs twice at a time.
            conclude: what is to be done after that; may run beside the next `commit`.
            max_items: most items of a batch.
            max_octets: a batch is closed when the weights of its items reach this many octets.

        """
        self._commit = commit
        self._conclude = conclude
        self._max_items = max_items
        self._max_octets = max_octets
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._draining = False
        self._usual_items = 1  # how many items are submitted at the same time, by the last batches
        self._concluding = 0  # items that are committed and not answered
        self._commit_seconds = 0.0  # of the last commit
        self._expected = 0
        self._complete: asyncio.Event | None = None  # while a batch waits for `_expected` items
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: T, octets: int = 0) -> "asyncio.Future[R]":
        """Put an item in the next batch; the future ends with its result or the batch's error."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, octets))
        if self._complete is not None and len(self._waiting) >= self._expected:
            self._complete.set()
        if not self._draining:
            self._draining = True
            self._spawn(self._drain())
        return future

    @property
    def backlog(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._waiting)

    async def idle(self) -> None:
        """Wait until everything submitted has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = self._take()
                futures = [future for _, future, _ in batch]
                began = time.monotonic()
                try:
                    committed = await self._commit([item for item, _, _ in batch])
                except BaseException as error:
                    _fail(futures, error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    self._commit_seconds = time.monotonic() - began
                    self._spawn(self._settle(futures, committed))
        finally:
            self._draining = False

    async def _gather(self) -> None:
        """Wait for as many items as the last batch had."""
        expected = min(self._usual_items, self._max_items)
        if len(self._waiting) < expected:
            self._expected, self._complete = expected, asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._commit_seconds, LONGEST_GATHER_SECONDS)):
                    await self._complete.wait()
            self._complete = None
        came = len(self._waiting)
        self._usual_items = max(came + self._concluding, (self._usual_items + came) // 2)

    def _take(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        octets = 0
        while self._waiting and len(batch) < self._max_items and octets < self._max_octets:
            batch.append(self._waiting.popleft())
            octets += batch[-1][2]
        return batch

    async def _settle(self, futures: "list[asyncio.Future[R]]", committed: M) -> None:
        self._concluding += len(futures)
        try:
            results = await self._conclude(committed)
        except BaseException as error:
            _fail(futures, error)
            if not isinstance(error, Exception):
                raise
            return
        finally:
            self._concluding -= len(futures)
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)

    def _spawn(self, work: "Awaitable[None]") -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _fail(futures: "list[asyncio.Future[R]]", error: BaseException) -> None:
    for future in futures:
        if future.done():
            continue
        if isinstance(error, Exception):
            future.set_exception(error)
        else:
            future.cancel()
