"""Cut a sequence of items into batches that are bounded in number and in octets."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
UNBOUNDED = 1 << 62


def batches(
    items: Iterable[T], weigh: Callable[[T], tuple[int, int]], most: int, octets: int
) -> Iterator[list[T]]:
    """Yield consecutive items in batches; no item is cut, and an item beyond a bound is a batch of its own.

    Args:
        items: read one at a time, so that a generator holds one batch in memory.
        weigh: returns how many an item counts for, and its octets.
        most: largest sum of the counts of a batch; UNBOUNDED for none.
        octets: largest sum of the octets of a batch; UNBOUNDED for none.

    """
    batch: list[T] = []
    count = size = 0
    for item in items:
        more, weight = weigh(item)
        if batch and (count + more > most or size + weight > octets):
            yield batch
            batch, count, size = [], 0, 0
        batch.append(item)
        count += more
        size += weight
    if batch:
        yield batch
