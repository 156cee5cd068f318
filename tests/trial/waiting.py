"""Wait for a condition, with a limit."""

import asyncio
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.05


class NotReached(AssertionError):
    """The time was up; the text says for what."""


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return when the condition holds; raises NotReached."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise NotReached(f"not within {seconds:.0f} s: {what}")
        time.sleep(PAUSE_SECONDS)


async def until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """The same inside an event loop; the condition must be quick."""
    limit = time.monotonic() + seconds
    while not condition():  # what is waited for lies in other processes
        if time.monotonic() > limit:
            raise NotReached(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(PAUSE_SECONDS)
