"""Replays with answers that can be worked out by hand."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bench.autoscale import arrivals, report
from bench.autoscale.hpa import Kind, Scaling, ScalingRules, Trigger
from bench.autoscale.pipeline import SERVICES
from bench.autoscale.simulation import Settings, Timeline, simulate

RATES = {"router": 1000.0, "filter": 1000.0, "delivery": 10.0, "relay": 10.0}
FIXED = Scaling(1, 1, ScalingRules(0, 0, 0, 1), ScalingRules(0, 0, 0, 1))
DEPTH = Trigger("local.deliver depth", Kind.AVERAGE_VALUE, 500)
AGE = Trigger("local.deliver age", Kind.VALUE, 60)


def settings(*triggers: Trigger, scale_in: int = 120, least: int = 1, most: int = 8) -> Settings:
    delivery = Scaling(least, most, ScalingRules(0, 2, 0, 30), ScalingRules(scale_in, 1, 0, 60), triggers)
    return Settings({**dict.fromkeys(SERVICES, FIXED), "delivery": delivery}, RATES)


def replicas(timeline: Timeline) -> list[int]:
    return [moment.replicas for moment in timeline.moments["delivery"]]


def test_nothing_scales_while_one_pod_is_enough():
    timeline = simulate(arrivals.steady(9, 600), settings(DEPTH, AGE))
    assert set(replicas(timeline)) == {1}
    assert timeline.pod_hours("delivery") == pytest.approx(600 / 3600)


def test_a_burst_scales_out_by_two_pods_in_each_half_minute():
    timeline = simulate(arrivals.burst(0, 600, 6000, 10, 10), settings(DEPTH))
    seen = replicas(timeline)
    assert [seen[second] for second in (14, 15, 30, 45, 60, 75)] == [1, 3, 3, 5, 5, 7]
    assert max(seen) == 7
    assert timeline.done == 6000


def test_new_pods_work_after_their_start_only():
    timeline = simulate(arrivals.burst(0, 600, 6000, 10, 10), settings(DEPTH))
    ready = [moment.ready for moment in timeline.moments["delivery"]]
    assert (ready[34], ready[35]) == (1, 3)  # made in second 15, 20 seconds to start


def test_scale_in_comes_a_window_after_the_last_high_wish_and_pod_by_pod():
    timeline = simulate(arrivals.burst(0, 1500, 6000, 10, 10), settings(DEPTH))
    seen = replicas(timeline)
    most = max(seen)
    first_in = next(second for second in range(seen.index(most), 1500) if seen[second] < most)
    high = [
        second
        for second in range(0, first_in, 15)
        if timeline.moments["delivery"][second // 5 * 5 - 1].depth > (most - 1) * 500
    ]
    assert first_in - max(high) >= 120
    falls = [second for second in range(1, 1500) if seen[second] < seen[second - 1]]
    assert [seen[second - 1] - seen[second] for second in falls] == [1] * (most - 1)
    assert min(later - earlier for earlier, later in pairwise(falls)) == 60
    assert seen[-1] == 1


def test_age_scales_out_what_depth_alone_would_let_wait():
    """40 mails behind a stage that does 0.1/s: depth never reaches 500, the oldest waits for minutes."""
    slow = replace(settings(DEPTH), rates={**RATES, "delivery": 0.1})
    assert max(replicas(simulate(arrivals.burst(0, 600, 40, 10, 10), slow))) == 1
    aged = replace(settings(DEPTH, AGE), rates={**RATES, "delivery": 0.1})
    seen = replicas(simulate(arrivals.burst(0, 600, 40, 10, 10), aged))
    first_out = seen.index(max(seen[:120]))
    assert set(seen[:75]) == {1}  # age 66 s (60 and the tolerance) is reached behind second 75
    assert seen[90] == 2
    assert first_out == 90


def test_after_an_outage_all_mail_is_delivered():
    timeline = simulate(arrivals.outage(8, 2400, 300, 300), settings(DEPTH, AGE))
    assert timeline.moments["delivery"][599].depth > 2300
    assert timeline.done + timeline.waiting == 8 * 2400
    assert timeline.moments["delivery"][-1].depth <= 10


def test_a_service_at_zero_wakes_on_mail_and_rests_a_cooldown_after_the_last():
    timeline = simulate(arrivals.burst(0, 900, 10, 100, 1), settings(DEPTH, least=0))
    seen = replicas(timeline)
    assert seen[0] == 0
    assert seen[105] == 1  # measured and asked in second 105
    last_active = 120  # a pod made in second 105 works from 125 on
    assert set(seen[105 : last_active + 300]) == {1}
    assert seen[-1] == 0
    assert timeline.done == 10


def test_the_same_input_gives_the_same_timeline():
    one, other = (simulate(arrivals.day(12, 3600), settings(DEPTH, AGE)) for _ in range(2))
    assert one == other


def test_the_summary_shows_pods_hours_and_cost():
    text = report.summary(simulate(arrivals.steady(0, 3600), settings(DEPTH)), price=0.5)
    assert text.splitlines()[1].split() == ["router", "0", "0", "1..1", "-", "-", "1.00", "0.50"]
    assert text.splitlines()[5].split() == ["all", "4.00", "2.00"]
    assert text.splitlines()[6] == "0 mails in 3600 s: 0 done, 0 waiting; the slowest took 0 s"
