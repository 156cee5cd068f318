"""Ratios, medians, spreads and goals of neighbouring runs."""

import pytest

from bench.peers.measurement import Run
from bench.peers.processes import Usage
from bench.peers.report import Pair, process_table, ratios
from bench.peers.scenarios import SCENARIOS, Goals, Scenario

SCENARIO = Scenario("some", "some load", 20, True, 1_000, Goals(2.0, 1.5, 0.4))


def run(accepted_seconds: float, delivered_seconds: float, cpu_seconds: float) -> Run:
    usage = Usage({"smtpd": cpu_seconds}, {"smtpd": 2**20})
    return Run("system", "some", 1_000, accepted_seconds, delivered_seconds, usage, 0.0)


def pair(speed: float, cpu: float = 0.3) -> Pair:
    return Pair(peer=run(2.0, 4.0, 3.0), mailyard=run(2.0 / speed, 4.0 / speed, 3.0 * cpu))


def test_rates_count_from_the_start_of_the_load() -> None:
    one = run(accepted_seconds=2, delivered_seconds=4, cpu_seconds=3)
    assert (one.accepted_rate, one.delivered_rate, one.cpu_ms) == (500, 250, 3.0)


def test_the_median_of_the_pairs_is_held_against_the_goal_and_the_spread_is_shown() -> None:
    delivered = ratios(SCENARIO, [pair(1.0), pair(2.5), pair(9.0)])[0]
    assert (delivered.median, delivered.lowest, delivered.highest) == pytest.approx((2.5, 1.0, 9.0))
    assert delivered.met is True
    assert "2.50" in delivered.line()
    assert "(1.00 to 9.00)" in delivered.line()


def test_a_median_below_the_goal_is_missed_even_when_one_pair_reached_it() -> None:
    delivered, accepted, _ = ratios(SCENARIO, [pair(1.0), pair(1.6), pair(9.0)])
    assert delivered.met is False
    assert accepted.met is True


def test_less_cpu_is_better() -> None:
    assert ratios(SCENARIO, [pair(2, cpu=0.39)])[2].met is True
    assert ratios(SCENARIO, [pair(2, cpu=0.5)])[2].met is False


def test_without_a_goal_there_is_no_verdict() -> None:
    single = next(scenario for scenario in SCENARIOS if scenario.connections == 1)
    assert ratios(single, [pair(1, cpu=5)])[2].met is None


def test_the_process_table_names_the_dearest_first() -> None:
    usage = Usage({"cheap": 0.1, "expensive": 2.0}, {"cheap": 2**20, "expensive": 64 * 2**20})
    lines = process_table([Run("system", "some", 1_000, 1, 1, usage, 0.0)]).splitlines()
    assert [line.split()[0] for line in lines] == ["expensive", "cheap"]
    assert "64 MiB" in lines[0]
