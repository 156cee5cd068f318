"""Turns what aiormq raises into `Unavailable`, in one place.

When a channel or a connection closes, aiormq ends every pending future with whatever closed it: an AMQPError, an
OSError, a RuntimeError, or CancelledError without anyone having cancelled. The last must never end a task of Mailyard.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mailyard.runtime.errors import Misconfigured, Unavailable


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Raise Unavailable, beginning with `what`, for anything but a real cancellation."""
    try:
        yield
    except (Unavailable, Misconfigured):
        raise
    except asyncio.CancelledError as error:
        if cancelled():
            raise
        raise Unavailable(f"{what}: the connection closed meanwhile") from error
    except Exception as error:
        raise Unavailable(f"{what}: {describe(error)}") from error


def cancelled() -> bool:
    """Say whether someone cancelled this task, or a future in it merely ended with CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def describe(error: BaseException | None) -> str:
    """Return a short text that always says something."""
    return str(error) or type(error).__name__
