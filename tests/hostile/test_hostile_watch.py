"""The watch of hostile runs reports each exceeded limit."""

from math import inf

import pytest

from mailyard.runtime.services import NAMES
from tests.hostile.messages import hostile_messages
from tests.hostile.watch import Limits, Seen, buckets, faults, lag_quantile, memory_limits, percentile

LIMITS = Limits({"imap": 2**30}, client_p99_seconds=0.5)
PAGE = """# HELP mailyard_loop_lag_seconds How late
mailyard_loop_lag_seconds_bucket{le="0.1"} 90.0
mailyard_loop_lag_seconds_bucket{le="1.0"} 99.0
mailyard_loop_lag_seconds_bucket{le="+Inf"} 100.0
mailyard_loop_lag_seconds_count 100.0
"""


def test_a_quiet_run_has_no_fault() -> None:
    seen = Seen({"imap": 0.1}, {"imap": 1.0}, {"imap": 2**30}, {"imap": 0}, [0.1] * 10)
    assert faults(seen, LIMITS) == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (Seen(restarts={"imap": 1}, client_seconds=[0.1]), "imap was restarted 1 times"),
        (Seen(client_seconds=[0.1], client_failures=["451"]), "the peaceful client: 451"),
        (Seen(lag_p99={"imap": 0.25}, client_seconds=[0.1]), "imap: loop lag p99 above 0.1 s"),
        (Seen(lag_most={"imap": 2.5}, client_seconds=[0.1]), "imap: a loop lag above 1 s"),
        (Seen(peak_octets={"imap": 2**30 + 1}, client_seconds=[0.1]), "imap: 1024 MiB of memory"),
        (Seen(client_seconds=[0.1] * 90 + [0.6] * 10), "the peaceful client waited 0.60 s"),
        (Seen(), "the peaceful client waited inf s"),
    ],
)
def test_each_limit_is_a_fault_when_it_is_passed(seen: Seen, fault: str) -> None:
    [found] = faults(seen, LIMITS)
    assert found.startswith(fault)


def test_the_lag_between_two_readings_is_a_buckets_upper_bound() -> None:
    before, after = {0.1: 10.0, 1.0: 10.0, inf: 10.0}, buckets(PAGE)
    assert lag_quantile(before, after, 0.5) == 0.1
    assert lag_quantile(before, after, 0.95) == 1.0
    assert lag_quantile(before, after, 1.0) == inf
    assert lag_quantile(after, after, 0.99) == 0.0


def test_a_service_that_started_anew_is_read_from_nothing() -> None:
    assert lag_quantile({}, buckets(PAGE), 0.9) == 0.1
    assert lag_quantile({0.1: 200.0, 1.0: 200.0, inf: 200.0}, buckets(PAGE), 0.9) == 0.1


def test_a_service_that_cannot_be_read_at_the_end_has_an_endless_lag() -> None:
    assert lag_quantile(buckets(PAGE), {}, 0.5) == inf


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile([], 99) == inf
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 3.0
    assert percentile(list(map(float, range(1, 201))), 99) == 199.0


def test_memory_limits_are_those_of_the_chart() -> None:
    assert memory_limits()["imap"] == 2**30
    assert set(memory_limits()) == set(NAMES)


@pytest.mark.parametrize("name", hostile_messages())
def test_hostile_messages_can_be_sent_in_data(name: str) -> None:
    octets = hostile_messages()[name]
    assert octets.endswith(b"\r\n")
    assert b"\r\n.\r\n" not in octets
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")
    assert len(octets) < 6_000_000
