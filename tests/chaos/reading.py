"""The reading side of a run: observers watch while mail arrives; at the end all mailboxes are read until nothing new comes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from tests.chaos.observers import Collector, ImapServer, Observer
from tests.chaos.senders import Book
from tests.trial.imap import ImapFailed

QUIET_SECONDS = 10.0  # without a new mail anywhere: doubles have had their time


@contextlib.asynccontextmanager
async def watching(observers: Sequence[Observer]) -> AsyncIterator[None]:
    """Let all observers run meanwhile; raises what ended one before its time."""
    tasks = [asyncio.create_task(observer.run()) for observer in observers]
    try:
        yield
        for task in tasks:
            if task.done():  # they run until they are cancelled: this one saw nothing more since
                await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def drain(server: ImapServer, book: Book, boxes: Sequence[str], limit_seconds: float) -> Collector:
    """Collect until all that was acknowledged is found and nothing new comes, or the time is up."""
    collector = Collector(server)
    limit = time.monotonic() + limit_seconds
    last_news = time.monotonic()
    while time.monotonic() < limit:
        if await collect(collector, boxes):
            last_news = time.monotonic()
        missing = book.acknowledged() - collector.found()
        if not missing and time.monotonic() - last_news > QUIET_SECONDS:
            return collector
        await asyncio.sleep(1)
    say(f"after {limit_seconds:.0f} s still missing: {len(book.acknowledged() - collector.found())}")
    return collector


async def collect(collector: Collector, boxes: Sequence[str]) -> int:
    """A pass over all mailboxes; a failing server is asked again in the next pass, and counts as news."""
    news = 0
    for box in boxes:
        try:
            news += await collector.collect(box)
        except ImapFailed as error:
            say(f"collecting {box}: {error}")
            news += 1
    return news


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # noqa: T201  # the log of a run is for the person who started it
