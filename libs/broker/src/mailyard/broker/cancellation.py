"""Cancel tasks that wait in aiormq, which may mistake a cancellation for the end of a future of its own."""

import asyncio

AGAIN_SECONDS = 1.0


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until all have ended; their errors are ignored."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
