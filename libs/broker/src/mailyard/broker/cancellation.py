"""Cancel tasks that wait in aiormq: aiormq may swallow a cancellation, so that one is not enough."""

import asyncio

AGAIN_SECONDS = 1.0


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks repeatedly until all have ended; their exceptions are ignored."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
