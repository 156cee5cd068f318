"""Bounds on what all sessions of the process hold in memory at the same time; further sessions wait for their turn."""

from asyncio import Semaphore

SEARCHES_WITH_ROWS = 4
SEARCHES_WITH_SMALL_BODIES = 4
SEARCHES_WITH_LARGE_BODIES = 1
SMALL_MESSAGES_PARSED = 4  # APPEND
LARGE_MESSAGES_PARSED = 1


class ConcurrencyLimits:
    """One semaphore for each bound; made once when the process starts."""

    def __init__(self) -> None:
        self.search_rows = Semaphore(SEARCHES_WITH_ROWS)
        self.search_small_bodies = Semaphore(SEARCHES_WITH_SMALL_BODIES)
        self.search_large_bodies = Semaphore(SEARCHES_WITH_LARGE_BODIES)
        self.small_messages = Semaphore(SMALL_MESSAGES_PARSED)
        self.large_messages = Semaphore(LARGE_MESSAGES_PARSED)
