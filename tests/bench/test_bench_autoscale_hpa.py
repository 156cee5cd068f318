"""The autoscaler's decisions: known answers of the Kubernetes documentation and controller."""

import pytest

from bench.autoscale.hpa import Autoscaler, Kind, Scaling, ScalingRules, Trigger, wanted

DEPTH = Trigger("local.deliver depth", Kind.AVERAGE_VALUE, 1000)
AGE = Trigger("local.deliver age", Kind.VALUE, 60)
AT_ONCE = ScalingRules(0, 100, 100, 15)


def scaler(
    *triggers: Trigger, scale_out: ScalingRules = AT_ONCE, scale_in: ScalingRules = AT_ONCE, most: int = 100
) -> Autoscaler:
    return Autoscaler(Scaling(1, most, scale_out, scale_in, triggers))


@pytest.mark.parametrize(
    ("value", "replicas", "expected"),
    [
        (0, 3, 0),
        (1, 3, 1),
        (2500, 1, 3),
        (2700, 3, 3),  # 0.1 below the target: within the tolerance
        (3300, 3, 3),  # 0.1 above it
        (2699, 3, 3),  # outside, and still three
        (1999, 3, 2),
        (3301, 3, 4),
    ],
)
def test_an_average_value_asks_for_value_over_target_rounded_up(value, replicas, expected):
    assert wanted(DEPTH, value, replicas, replicas) == expected


@pytest.mark.parametrize(
    ("value", "replicas", "ready", "expected"),
    [
        (0, 3, 3, 0),
        (30, 4, 4, 2),  # half of the target halves
        (120, 4, 4, 8),  # twice the target doubles
        (54, 4, 4, 4),  # within the tolerance
        (66, 4, 4, 4),
        (67, 4, 4, 5),
        (120, 8, 4, 8),  # pods that are not ready do not multiply
    ],
)
def test_a_value_multiplies_the_pods_that_are_ready(value, replicas, ready, expected):
    assert wanted(AGE, value, replicas, ready) == expected


def test_the_metric_that_asks_for_most_wins():
    one = scaler(DEPTH, AGE)
    assert one.decide(15, [5000, 0], 1, 1) == 5
    assert one.decide(30, [5000, 120], 5, 5) == 10


def test_min_and_max_are_never_left():
    one = scaler(DEPTH, most=4)
    assert one.decide(15, [1_000_000], 1, 1) == 4
    assert one.decide(30, [0], 4, 4) == 1
    assert one.decide(45, [0], 9, 9) == 4  # set by hand, above the maximum
    assert one.decide(60, [0], 0, 0) == 1


def test_scale_out_allows_the_larger_of_pods_and_percent_in_each_period():
    one = scaler(DEPTH, scale_out=ScalingRules(0, 4, 100, 60))
    seen, replicas = [], 1
    for now in range(15, 165, 15):
        replicas = one.decide(now, [100_000], replicas, replicas)
        seen.append(replicas)
    assert seen == [5, 5, 5, 5, 10, 10, 10, 10, 20, 20]  # 1 + 4; then 5 x 2; then 10 x 2


def test_a_percentage_rounds_up_when_growing_and_down_when_shrinking():
    assert ScalingRules(0, 0, 50, 60).largest_after_growth(5) == 8
    assert ScalingRules(0, 0, 10, 60).smallest_after_shrinking(9) == 8
    assert ScalingRules(0, 2, 10, 60).smallest_after_shrinking(9) == 7
    assert ScalingRules(0, 2, 100, 60).smallest_after_shrinking(1) == 0


def test_scale_in_takes_its_pods_once_in_each_period():
    one = scaler(DEPTH, scale_in=ScalingRules(0, 2, 0, 60))
    seen, replicas = [], 8
    for now in range(15, 165, 15):
        replicas = one.decide(now, [0], replicas, replicas)
        seen.append(replicas)
    assert seen == [6, 6, 6, 6, 4, 4, 4, 4, 2, 2]


def test_scale_in_waits_until_the_highest_wish_has_left_its_window():
    one = scaler(DEPTH, scale_in=ScalingRules(120, 100, 100, 15))
    assert one.decide(15, [6000], 1, 1) == 6
    waiting = [one.decide(now, [0], 6, 6) for now in range(30, 135, 15)]
    assert waiting == [6] * 7
    assert one.decide(135, [0], 6, 6) == 1


def test_a_short_peak_does_not_scale_out_when_that_is_stabilised():
    one = scaler(DEPTH, scale_out=ScalingRules(60, 100, 100, 15))
    assert one.decide(15, [1000], 1, 1) == 1
    assert [one.decide(now, [6000], 1, 1) for now in (30, 45, 60)] == [1, 1, 1]
    assert one.decide(75, [6000], 1, 1) == 6  # the wish of second 15 has left the window
