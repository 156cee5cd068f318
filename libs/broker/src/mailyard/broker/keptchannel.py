"""A channel that is opened when it is needed, and anew when it has closed."""

import asyncio
import time

from aiormq import Channel

from mailyard.broker.link import Link, close_quietly

RENEWAL_SECONDS = 5.0
RETIREMENT_SECONDS = 10.0


class KeptChannel:
    """One channel of a link for many callers."""

    def __init__(self, link: Link, *, confirms: bool = False) -> None:
        self._link = link
        self._confirms = confirms
        self._channel: Channel | None = None
        self._opened_at = 0.0
        self._opening = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def open(self) -> Channel:
        """Return the open channel; raises Unavailable."""
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.channel(confirms=self._confirms)
                self._opened_at = time.monotonic()
        return self._channel

    def renew(self) -> None:
        """Give the next caller a new channel, at most every few seconds; who waits on this one may go on waiting."""
        channel = self._channel
        if channel is not None and time.monotonic() - self._opened_at >= RENEWAL_SECONDS:
            self._channel = None
            task = asyncio.create_task(_retire(channel))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Close it, if it is open."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await close_quietly(channel)


async def _retire(channel: Channel) -> None:
    await asyncio.sleep(RETIREMENT_SECONDS)
    await close_quietly(channel)
