"""Limits of sending as values: how they are read, what a window counts, and what exceeds a limit. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.sending.rates import Jump, Rates, SendingLimits
from mailyard.directory.sending.windows import SendingTally, Window, WindowCounts

NOON = 1_764_331_200.0  # a whole minute, hour, and half of a day


def test_a_limit_is_read_and_written_in_one_form() -> None:
    rates = Rates.parse("5000/day,  500/minute,2000/hour")
    assert rates == Rates(500, 2000, 5000)
    assert str(rates) == "500/minute, 2000/hour, 5000/day"
    assert (Rates.parse("none"), str(Rates())) == (Rates(), "none")


@given(st.builds(Rates, *(st.none() | st.integers(1, 999_999_999) for _ in range(3))))
def test_what_is_written_is_read_as_the_same(rates: Rates) -> None:
    assert Rates.parse(str(rates)) == rates


@pytest.mark.parametrize(
    "text",
    [
        "",
        "500",
        "500/week",
        "0/minute",
        "-1/hour",
        "1/hour, 2/hour",
        "1e3/hour",
        "1/hour;",
        "9999999999/day",
        "1 / day",
    ],
)
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 500/minute"):
        Rates.parse(text)


@pytest.mark.parametrize(
    ("counts", "recipients", "reason"),
    [
        (WindowCounts(9, 19, 29), 1, ""),
        (WindowCounts(10, 10, 10), 1, "11 recipients within a minute, 10 are permitted"),
        (WindowCounts(0, 20, 20), 1, "21 recipients within a hour, 20 are permitted"),
        (WindowCounts(0, 0, 25), 6, "31 recipients within a day, 30 are permitted"),
        (WindowCounts(), 11, "11 recipients within a minute, 10 are permitted"),
    ],
)
def test_a_message_may_reach_a_limit_and_not_exceed_it(
    counts: WindowCounts, recipients: int, reason: str
) -> None:
    assert Rates(10, 20, 30).excess(counts, recipients) == reason


def test_without_a_limit_nothing_is_exceeded() -> None:
    assert Rates().excess(WindowCounts(10**9, 10**9, 10**9), 10**9) == ""


@pytest.mark.parametrize(
    ("today", "usual", "is_jump"),
    [
        (100, 0.0, False),  # up to the minimum, also without a usual rate
        (101, 0.0, True),
        (500, 50.0, False),
        (501, 50.0, True),
        (101, 1.0, True),
        (100, 1.0, False),
    ],
)
def test_a_jump_is_above_the_minimum_and_above_the_factor(today: int, usual: float, is_jump: bool) -> None:
    assert bool(Jump(10, 100).excess(WindowCounts(day=today - 1, usual=usual), 1)) is is_jump


def test_a_factor_of_zero_looks_for_no_jump() -> None:
    assert Jump(0, 0).excess(WindowCounts(day=10**6), 1) == ""


def test_a_tenant_has_messages_of_a_day_beside_recipients() -> None:
    limits = SendingLimits(tenant=Rates(day=100), messages_day=3)
    assert limits.of_tenant(WindowCounts(messages=2, day=50), 50) == ""
    assert limits.of_tenant(WindowCounts(messages=3), 1) == "4 messages within a day, 3 are permitted"
    assert (
        limits.of_tenant(WindowCounts(messages=2, day=100), 1)
        == "101 recipients within a day, 100 are permitted"
    )


def test_a_new_window_begins_at_zero() -> None:
    tally = SendingTally()
    tally.add(NOON, 5)
    assert tally.at(NOON + 59) == WindowCounts(5, 5, 5, 1)
    assert tally.at(NOON + 60) == WindowCounts(0, 5, 5, 1)
    assert tally.at(NOON + 3600) == WindowCounts(0, 0, 5, 1)
    assert tally.at(NOON + 86_400) == WindowCounts()


def test_a_late_count_goes_into_the_newest_window_and_is_not_lost() -> None:
    window = Window(7, 10)
    window.add(6, 5)
    assert (window.number, window.count) == (7, 15)
    assert window.at(6) == 15  # a clock that is behind sees it too


@given(st.lists(st.tuples(st.floats(NOON, NOON + 10**6), st.integers(1, 100))))
def test_two_tallies_together_count_what_one_would(messages: list[tuple[float, int]]) -> None:
    one, left, right = SendingTally(), SendingTally(), SendingTally()
    for number, (at, recipients) in enumerate(sorted(messages)):
        one.add(at, recipients)
        (left, right)[number % 2].add(at, recipients)
    left.merge(right)
    now = max((at for at, _ in messages), default=NOON)
    assert left.at(now).day <= one.at(now).day
    assert left.at(now) == one.at(now)
