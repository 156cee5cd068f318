"""Short transactions: several documents change together, or none does.

A transaction that meets another one's uncommitted write is undone by the server; the driver repeats it after a random,
growing wait, and repeats a commit whose answer was lost, for at most two minutes.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from mailyard.runtime.metrics import counter
from mailyard.store.client import DURABLE, Store, unavailable_when_away

R = TypeVar("R")
_RETRIES = counter("mailyard_store_transaction_retries_total")


async def in_transaction(store: Store, work: Callable[[AsyncClientSession], Awaitable[R]]) -> R:
    """Run `work` in a transaction with majority-journaled commit; `work` may run several times.

    Raises:
        Unavailable: the store is away, or other writers held the same rows for too long.

    """
    tries = 0

    async def once(session: AsyncClientSession) -> R:
        nonlocal tries
        tries += 1
        return await work(session)

    with unavailable_when_away():
        async with store.client.start_session() as session:
            try:
                return await session.with_transaction(
                    once, read_concern=ReadConcern("local"), write_concern=DURABLE
                )
            finally:
                if tries > 1:
                    _RETRIES.inc(tries - 1)
