"""The comparison of what pods export with what the HPA gets."""

import pytest

from tests.cluster.comparison import Comparison, HpaAnswer, Reading, matches
from tests.cluster.scaling import Trigger

DEPTH = Trigger("mailyard-filter", "s0-depth", 'depth{queue="local.filter"}', "router", summed=False)
AGE = Trigger("mailyard-filter", "s1-age", 'age{queue="local.filter"}', "router", summed=False)


def comparison(*values: float) -> Comparison:
    """HpaAnswer of the depth once a second, and exported exactly so."""
    made = Comparison()
    for second, value in enumerate(values):
        made.exported[DEPTH].append(Reading(float(second), value))
        made.answers[DEPTH].append(HpaAnswer(second + 0.1, Reading(second + 0.2, value)))
    return made


@pytest.mark.parametrize(
    ("value", "asked_at", "expected"),
    [(40.0, 10.0, True), (41.0, 10.0, False), (40.0, 5.0, False), (40.0, 13.0, False), (39.9995, 11.0, True)],
)
def test_a_value_matches_when_it_was_exported_at_about_that_time(
    value: float, asked_at: float, expected: bool
) -> None:
    exported = [Reading(10.0, 40.0), Reading(10.1, 7.0)]
    assert matches(HpaAnswer(asked_at, Reading(asked_at + 0.1, value)), exported) is expected


def test_a_trigger_has_passed_when_it_reported_something_and_reports_nothing_any_more() -> None:
    assert comparison(0, 12, 0).missing([DEPTH]) == []
    assert comparison(0, 12, 0).counts() == (3, 1)


def test_a_trigger_that_reported_only_0_is_named() -> None:
    assert comparison(0, 0).missing([DEPTH, AGE]) == [
        'depth{queue="local.filter"} of mailyard-filter was never above 0 in 2 answers',
        'age{queue="local.filter"} of mailyard-filter was never above 0 in 0 answers',
    ]


def test_a_trigger_that_does_not_come_down_is_named_with_its_value_and_the_last_refusal() -> None:
    made = comparison(0, 12)
    made.refusals[DEPTH] = "500: no endpoints"
    assert made.missing([DEPTH]) == [
        'depth{queue="local.filter"} of mailyard-filter still shows 12; last refusal: 500: no endpoints'
    ]


def test_a_value_that_nobody_exported_is_wrong_even_among_many_that_are_right() -> None:
    made = comparison(0, 12, 0)
    made.answers[DEPTH].append(HpaAnswer(2.5, Reading(2.6, 11.0)))
    assert made.wrong() == ['depth{queue="local.filter"} of mailyard-filter: the HPA got 11']
    assert comparison(0, 12, 0).wrong() == []
