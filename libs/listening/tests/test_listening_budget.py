"""The budget of octets that all connections of a process hold."""

import pytest

from mailyard.listening.budget import MemoryBudget
from mailyard.runtime.metrics import exposition


def test_octets_of_all_connections_are_counted_together() -> None:
    budget = MemoryBudget(1000)
    first, second = budget.holding(), budget.holding()
    first.grow(300)
    second.grow(200)
    assert (budget.held, first.octets, second.octets) == (500, 300, 200)
    first.release()
    assert (budget.held, budget.highest) == (200, 500)


def test_a_reservation_beyond_the_limit_is_refused_and_counts_nothing() -> None:
    budget = MemoryBudget(1000)
    holding = budget.holding()
    assert holding.reserve(1000)
    assert not budget.holding().reserve(1)
    assert budget.held == 1000
    assert budget.is_exhausted
    holding.release()
    assert budget.holding().reserve(1)


def test_above_the_mark_connections_should_hold_less() -> None:
    budget = MemoryBudget(1000, mark_share=0.5)
    holding = budget.holding()
    holding.grow(500)
    assert not budget.is_above_mark
    holding.grow(1)
    assert budget.is_above_mark
    assert not budget.is_exhausted


def test_octets_that_are_in_memory_already_count_beyond_the_limit_too() -> None:
    budget = MemoryBudget(1000)
    budget.holding().grow(5000)
    assert budget.held == 5000
    assert budget.is_exhausted


def test_nothing_is_given_back_twice() -> None:
    budget = MemoryBudget(1000)
    holding, other = budget.holding(), budget.holding()
    other.grow(100)
    holding.grow(100)
    holding.release()
    holding.release()
    assert budget.held == 100


def test_a_holding_can_be_set_to_a_size() -> None:
    budget = MemoryBudget(1000)
    holding = budget.holding()
    holding.resize(700)
    holding.resize(200)
    assert (holding.octets, budget.held, budget.highest) == (200, 200, 700)


def test_the_octets_held_are_a_metric() -> None:
    budget = MemoryBudget(1000)
    holding = budget.holding()
    holding.grow(123)
    assert b"mailyard_connections_held_bytes 123.0" in exposition()
    assert b"mailyard_connections_held_limit_bytes 1000.0" in exposition()


@pytest.mark.parametrize(("limit", "share"), [(0, 0.5), (-1, 0.5), (10, 0.0), (10, 1.1)])
def test_an_impossible_budget_is_refused(limit: int, share: float) -> None:
    with pytest.raises(ValueError, match="a budget needs"):
        MemoryBudget(limit, share)
