"""The fast path on an empty and on a full database, in turns: accept, route and deliver with the product's classes."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mailyard.broker.pipeline import Queue
from mailyard.store.client import Store
from tests.flow.parts import BODY, Flow

_AT_ONCE = 100
_BATCH = 50  # tickets of one delivery


@dataclass(frozen=True, slots=True)
class Speed:
    """Messages a second, the median of the turns."""

    empty: float
    full: float

    @property
    def ratio(self) -> float:
        """Return the speed with the load over the speed without it."""
        return self.full / self.empty


async def compare_speed(empty: Store, full: Store, messages: int, turns: int) -> Speed:
    """Send messages through both databases in turns; the first turn of each warms up and does not count."""
    speeds: dict[str, list[float]] = {"empty": [], "full": []}
    flows = {"empty": Flow(empty), "full": Flow(full)}
    await flows["empty"].prepare()
    for turn in range(turns + 1):
        for name, flow in flows.items():
            speed = await _send(flow, messages)
            if turn:
                speeds[name].append(speed)
    return Speed(_best_half(speeds["empty"]), _best_half(speeds["full"]))


def _best_half(speeds: Sequence[float]) -> float:
    """Return the median of the faster half: other programs on the machine only ever slow a turn down."""
    return statistics.median(sorted(speeds, reverse=True)[: -(-len(speeds) // 2)])


async def _send(flow: Flow, messages: int) -> float:
    began = time.monotonic()
    for start in range(0, messages, _AT_ONCE):
        names = ("ann", "bob")
        await asyncio.gather(
            *(
                flow.accept(f"{names[number % 2]}@one.test", body=BODY)
                for number in range(start, min(start + _AT_ONCE, messages))
            )
        )
        await flow.route()
        tickets = flow.broker.take(Queue.LOCAL_FILTER)
        for first in range(0, len(tickets), _BATCH):
            await flow.deliverer.handle(tickets[first : first + _BATCH])
    return messages / (time.monotonic() - began)
