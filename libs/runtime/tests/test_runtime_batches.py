"""Batches are bounded in number and octets, whole and in order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailyard.runtime.batches import UNBOUNDED, batches

sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=40)


def own(item: tuple[int, int]) -> tuple[int, int]:
    return item


@given(sizes, st.integers(1, 20), st.integers(1, 200))
def test_nothing_is_lost_and_no_bound_is_passed_by_several(
    items: list[tuple[int, int]], most: int, octets: int
) -> None:
    found = list(batches(items, own, most, octets))
    assert [item for batch in found for item in batch] == items
    for batch in found:
        assert batch
        within = sum(count for count, _ in batch) <= most and sum(size for _, size in batch) <= octets
        assert within or len(batch) == 1


@given(sizes, st.integers(1, 20), st.integers(1, 200))
def test_a_batch_is_as_large_as_it_may_be(items: list[tuple[int, int]], most: int, octets: int) -> None:
    found = list(batches(items, own, most, octets))
    for batch, following in pairwise(found):
        longer = [*batch, following[0]]
        assert sum(count for count, _ in longer) > most or sum(size for _, size in longer) > octets


def test_an_item_beyond_a_bound_comes_alone() -> None:
    assert list(batches([(1, 1), (1, 500), (1, 1)], own, 10, 100)) == [[(1, 1)], [(1, 500)], [(1, 1)]]


def test_without_bounds_there_is_one_batch_and_without_items_none() -> None:
    assert list(batches([(1, 1)] * 1000, own, UNBOUNDED, UNBOUNDED)) == [[(1, 1)] * 1000]
    assert list(batches([], own, 1, 1)) == []


def test_items_are_read_when_a_batch_is_asked_for() -> None:
    read: list[int] = []

    def items():
        for number in range(10):
            read.append(number)
            yield number

    first = next(batches(items(), lambda _: (1, 0), 3, UNBOUNDED))
    assert first == [0, 1, 2]
    assert read == [0, 1, 2, 3]
