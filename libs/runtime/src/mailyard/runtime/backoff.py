"""Pauses between attempts: doubled up to a limit, with jitter, so that many processes do not reconnect at once."""

import asyncio
import random


class Backoff:
    """The pauses of one operation that is tried until it succeeds."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self.seconds = first_seconds

    def reset(self) -> None:
        """Return to the shortest pause, after a success."""
        self.seconds = self._first

    async def wait(self, unless: asyncio.Event | None = None) -> None:
        """Wait half to all of `seconds`, or until `unless` is set; the next pause is twice as long."""
        seconds = self.seconds * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        self.seconds = min(self.seconds * 2, self._longest)
        await pause(seconds, unless)


async def pause(seconds: float, unless: asyncio.Event | None = None) -> None:
    """Wait so many seconds, or until `unless` is set."""
    if unless is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await unless.wait()
    except TimeoutError:
        return
