"""Ends tasks that wait in aiormq, which may take a cancellation for the end of its own future and raise something else."""

import asyncio

AGAIN_SECONDS = 1.0


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and again, until all have ended; what they raise is not looked at."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
