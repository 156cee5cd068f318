"""Build the indexes without a time-out, and report the progress."""

import asyncio
from collections.abc import Callable

from mailyard.cli.indexes import ensure_all
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store
from mailyard.store.indexes import builds_under_way

REPORT_SECONDS = 15.0
RETRY_SECONDS = 2.0

Say = Callable[[str], None]


async def build_indexes(
    store: Store, unreachable_seconds: float, say: Say, *, report_seconds: float = REPORT_SECONDS
) -> None:
    """Create the indexes that are missing; report every `report_seconds` while they are built.

    A build goes on in the servers when the connection breaks; so the command asks again, and joins it.

    Raises:
        Unavailable: the store was unreachable for longer than `unreachable_seconds` seconds on end.

    """
    loop = asyncio.get_running_loop()
    answered = loop.time()
    while True:
        task = asyncio.create_task(ensure_all(store))
        try:
            while not (await asyncio.wait((task,), timeout=report_seconds))[0]:
                answered = await _report(store, say, answered)
            await task
            return
        except Unavailable as error:
            if loop.time() - answered > unreachable_seconds:
                raise
            say(f"MongoDB: {error}; a build that has begun continues; trying again")
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            task.cancel()


async def _report(store: Store, say: Say, answered: float) -> float:
    """Report the progress of builds; return the time of the last answer of the store."""
    try:
        builds = await builds_under_way(store)
    except Unavailable:
        return answered
    say(f"MongoDB: building indexes: {', '.join(builds) or 'waiting for the servers'}")
    return asyncio.get_running_loop().time()
