"""The live line: mails in each queue, age of the oldest, and services or servers that are down."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from mailyard.broker.connection import Broker
from mailyard.broker.pipeline import Queue
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.spool.watch.depth import Depth, read_depths
from mailyard.store.client import Store

LEAST_FREE_BYTES = 512 * 2**20
_OLD_SECONDS = 1.0


async def read_pulse(store: Store, broker: Broker, folder: Path, down: Sequence[str]) -> str:
    """Return one line of 80 columns when nothing is wrong; an unreachable server is a word in it, never an error."""
    try:
        depths = await read_depths(store, broker, now_utc())
    except Unavailable as error:
        return pulse_line([], [*_troubles(folder, down), str(error)])
    return pulse_line(depths, _troubles(folder, down))


def pulse_line(depths: Sequence[Depth], troubles: Sequence[str]) -> str:
    """Troubles first: the end of a long line is cut. Queues read local.filter:120(3s), mails and their oldest age."""
    queues = [_queue(depth) for depth in depths if depth.mails or depth.queue is not Queue.DEAD]
    return " ".join([*(f"[{trouble}]" for trouble in troubles), *queues])


def _queue(depth: Depth) -> str:
    age = f"({depth.oldest_seconds:.0f}s)" if depth.mails and depth.oldest_seconds >= _OLD_SECONDS else ""
    return f"{depth.queue}:{depth.mails}{age}"


def _troubles(folder: Path, down: Sequence[str]) -> list[str]:
    troubles = [f"down: {', '.join(down)}"] if down else []
    full = disk_trouble(folder)
    return [*troubles, full] if full else troubles


def disk_trouble(folder: Path) -> str | None:
    """Warn before the disk is full, because broker and store stop writing then."""
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE_BYTES:
        return None
    return f"only {free // 2**20} MB free for {folder}"
