"""Short transactions: several documents change together, or none does.

A transaction that meets another one's uncommitted write is undone by the server; the driver repeats it after a random,
growing wait, and repeats a commit whose answer was lost, for at most two minutes.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from mailyard.runtime.metrics import counter
from mailyard.store.client import DURABLE, Store, unavailable_when_away

R = TypeVar("R")
_WRITE_CONFLICT = 112
_RETRIES = counter("mailyard_store_transaction_retries_total")


def unavailable_outside(session: AsyncClientSession | None) -> AbstractContextManager[None]:
    """Return `unavailable_when_away` for a query outside of a transaction.

    Within one the driver must see its own errors: it repeats the transaction.
    """
    return unavailable_when_away() if session is None else nullcontext()


class Contended(Exception):
    """Other writers changed the same documents at each of the tries that were permitted; nothing was written."""


async def in_transaction(
    store: Store,
    work: Callable[[AsyncClientSession], Awaitable[R]],
    *,
    max_tries: int | None = None,
) -> R:
    """Run `work` in a transaction with majority-journaled commit; `work` may run several times.

    Raises:
        Contended: `work` ran `max_tries` times, and another writer was first each time.
        Unavailable: the store is unreachable, or other writers held the same rows for too long.

    """
    tries = conflicts = 0

    async def once(session: AsyncClientSession) -> R:
        nonlocal tries, conflicts
        if max_tries is not None and conflicts >= max_tries:
            raise Contended
        tries += 1
        try:
            return await work(session)
        except OperationFailure as error:
            conflicts += error.code == _WRITE_CONFLICT
            raise

    with unavailable_when_away():
        async with store.client.start_session() as session:
            try:
                return await session.with_transaction(
                    once, read_concern=ReadConcern("local"), write_concern=DURABLE
                )
            finally:
                if tries > 1:
                    _RETRIES.inc(tries - 1)
