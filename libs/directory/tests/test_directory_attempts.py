"""How failures slow down."""

import pytest

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
