"""Periodic work as a component: releases, reconciliation, gauges."""

import asyncio
from collections.abc import Awaitable, Callable

from mailyard.runtime.backoff import pause
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger

_log = get_logger(__name__)


class Periodic:
    """Calls `work` every `seconds`, counted from the end of the last call.

    `work` returns whether there is more to do; then it is called again at once. An error is logged, and the next call
    comes at its usual time.
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
        """Return None: a call that fails now is made again later."""
        return None

    async def drain(self) -> None:
        """Let the call in hand end, and make no other."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def close(self) -> None:
        """Cancel the call in hand."""
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
