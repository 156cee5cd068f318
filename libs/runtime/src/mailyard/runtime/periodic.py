"""Work that is done again and again, as a component: releases, reconciliation, gauges."""

import asyncio
from collections.abc import Awaitable, Callable

from mailyard.runtime.backoff import pause
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


class Periodic:
    """Calls `work` every so many seconds, the next call after the last has ended.

    `work` says whether it would have had more to do; then it is called again at once. What it raises is logged, and
    the next call comes in its time: one failure ends nothing.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self._seconds = seconds
        self._work = work
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first call comes at once."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    def not_ready_reason(self) -> str | None:
        """Never a reason: a call that cannot be made now is made later."""
        return None

    async def drain(self) -> None:
        """Let the call under way end, and make no other."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def close(self) -> None:
        """Break off."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            if not await self._call():
                await pause(self._seconds, self._stopping)

    async def _call(self) -> bool:
        try:
            return await self._work()
        except Unavailable as error:
            _log.warning("periodic.unavailable", task=self.name, error=str(error))
        except Exception:
            _log.exception("periodic.failed", task=self.name)
        return False
