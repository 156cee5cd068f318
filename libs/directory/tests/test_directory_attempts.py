"""How failures slow down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.attempts import AttemptLimits, Attempts, ClientNetwork, client_of

LIMITS = AttemptLimits(free=3, longest_seconds=60.0, fade_seconds=100.0)


def failed(times: int, attempts: Attempts, key: str = "anna", now: float = 0.0) -> Attempts:
    for _ in range(times):
        attempts.failed(key, now)
    return attempts


def test_the_free_failures_cost_no_pause():
    assert failed(3, Attempts(LIMITS)).wait_seconds("anna", 0.0) == 0.0


@pytest.mark.parametrize(
    ("failures", "pause"), [(4, 1.0), (5, 2.0), (6, 4.0), (9, 32.0), (10, 60.0), (5000, 60.0)]
)
def test_each_further_failure_doubles_the_pause_up_to_the_longest(failures, pause):
    assert failed(failures, Attempts(LIMITS)).wait_seconds("anna", 0.0) == pause


def test_the_pause_runs_from_the_last_failure():
    attempts = failed(6, Attempts(LIMITS))
    assert attempts.wait_seconds("anna", 3.0) == pytest.approx(1.0)
    assert attempts.wait_seconds("anna", 4.0) == 0.0


def test_failures_fade_with_time():
    attempts = failed(6, Attempts(LIMITS))
    assert failed(1, attempts, now=600.0).wait_seconds("anna", 600.0) == 0.0


def test_one_key_does_not_pay_for_another():
    assert failed(50, Attempts(LIMITS)).wait_seconds("bert", 0.0) == 0.0


def test_the_key_that_failed_least_recently_is_forgotten_when_there_are_too_many():
    attempts = failed(5, Attempts(LIMITS, max_keys=2))
    failed(5, attempts, "bert")
    failed(1, attempts, "anna")
    failed(1, attempts, "carl")
    assert attempts.wait_seconds("bert", 0.0) == 0.0
    assert attempts.wait_seconds("anna", 0.0) > 0.0


@pytest.mark.parametrize(
    ("client_ip", "client"),
    [
        ("192.0.2.77", ClientNetwork("192.0.2.77", "192.0.2.0/24")),
        ("::ffff:192.0.2.77", ClientNetwork("192.0.2.77", "192.0.2.0/24")),
        ("2001:db8:1:2:3:4:5:6", ClientNetwork("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("fe80::1%eth0", ClientNetwork("fe80::/64", "fe80::/48")),
        ("", ClientNetwork("", "")),
    ],
)
def test_a_client_is_counted_by_the_address_and_the_network_that_one_party_usually_holds(client_ip, client):
    assert client_of(client_ip) == client


times = st.lists(st.floats(0, 10_000), min_size=1, max_size=40).map(sorted)


@given(times, st.floats(0, 10_000))
def test_a_pause_is_never_negative_and_never_longer_than_the_longest(failures, later):
    attempts = Attempts(LIMITS)
    for now in failures:
        attempts.failed("anna", now)
    wait = attempts.wait_seconds("anna", failures[-1] + later)
    assert 0.0 <= wait <= LIMITS.longest_seconds
    assert attempts.wait_seconds("anna", failures[-1] + LIMITS.longest_seconds) == 0.0


@given(st.integers(0, 60))
def test_the_pause_shrinks_as_time_passes_and_never_grows_by_waiting(seconds):
    attempts = failed(8, Attempts(LIMITS))
    assert attempts.wait_seconds("anna", seconds) == max(0.0, 16.0 - seconds)


def test_one_failure_fades_in_each_fade_time():
    attempts = failed(5, Attempts(LIMITS))  # 2 beyond the free ones
    failed(1, attempts, now=200.0)  # two have faded, so this is the fourth
    assert attempts.wait_seconds("anna", 200.0) == 1.0


def test_a_guesser_that_keeps_to_the_fade_time_is_never_slowed():
    attempts = failed(3, Attempts(LIMITS))
    for turn in range(1, 50):
        failed(1, attempts, now=turn * LIMITS.fade_seconds)
        assert attempts.wait_seconds("anna", turn * LIMITS.fade_seconds) == 0.0


def test_a_level_never_fades_below_zero():
    attempts = failed(1, Attempts(LIMITS))
    failed(4, attempts, now=1_000_000.0)
    assert attempts.wait_seconds("anna", 1_000_000.0) == 1.0


def test_the_number_of_keys_is_bounded():
    attempts = Attempts(LIMITS, max_keys=100)
    for number in range(1_000):
        failed(1, attempts, f"u{number}")
    assert len(attempts._failures) == 100
    assert "u999" in attempts._failures


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.0", "192.0.2.255"),
        ("2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.1", "192.0.2.254"),
    ],
)
def test_clients_of_one_network_share_it_and_not_their_address(one, other):
    assert client_of(one).network == client_of(other).network
    assert client_of(one).address != client_of(other).address


@pytest.mark.parametrize("text", ["unix", "192.0.2.1.5", "2001:db8::/64", "a" * 1000])
def test_a_text_that_is_no_ip_address_stands_for_itself(text):
    assert client_of(text) == ClientNetwork(text, text)


BLOCKING = AttemptLimits(free=3, block_seconds=600.0)


def test_the_fifth_paused_failure_blocks_once():
    attempts = Attempts(BLOCKING)
    assert [attempts.failed("anna", 0.0) for _ in range(10)].index(True) == 7
    assert attempts.block_seconds("anna", 0.0) == 600.0
    assert not attempts.failed("anna", 1.0)
    assert attempts.wait_seconds("anna", 599.0) == 1.0
    assert attempts.wait_seconds("anna", 600.0) == 0.0


def test_without_a_block_time_nothing_is_blocked():
    assert failed(100, Attempts(LIMITS)).block_seconds("anna", 0.0) == 0.0


def test_a_lifted_key_starts_anew():
    attempts = failed(20, Attempts(BLOCKING))
    attempts.lift("anna")
    assert failed(3, attempts).wait_seconds("anna", 0.0) == 0.0


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.randoms())
def test_the_order_in_which_failures_are_reported_does_not_matter_much(times, random):
    """Reports of other processes come late; a level below zero is cut off in the order of arrival only."""
    limits = AttemptLimits(free=3, fade_seconds=1e9)
    levels = []
    for order in (sorted(times), random.sample(times, len(times))):
        attempts = Attempts(limits)
        for at in order:
            attempts.failed("anna", at)
        levels.append(attempts.pause_seconds("anna", max(times)))
    assert levels[0] == pytest.approx(levels[1], abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1000)), max_size=300))
def test_blocks_are_bounded_in_number(failures):
    attempts = Attempts(AttemptLimits(free=0, block_seconds=60.0), max_keys=10)
    for key, at in failures:
        attempts.failed(str(key), at, count=9)
    assert len(attempts._blocked) <= 10
    assert len(attempts._failures) <= 10
