"""How long logins wait, by the failures of one process and the reports of others."""

import pytest

from mailyard.directory.attempts import BLOCK_AFTER, AttemptLimits, client_of
from mailyard.directory.identity import Identity
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.directory.throttle.report import Block, BlockKind, Failure, FailureReport, LoginSubject
from mailyard.directory.throttle.throttle import FAILURES_OF_A_REPORT, LoginThrottle, shared_name
from mailyard.message.address import Address

ANNA = "anna@example.org"
IDENTITY = Identity("1", "acme", Address.parse(ANNA))
HOME = client_of("192.0.2.1")
ABROAD = client_of("198.51.100.7")
BLOCK_SECONDS = 600.0
LIMITS = LoginLimits(
    login=AttemptLimits(free=50, block_seconds=BLOCK_SECONDS),
    everywhere=AttemptLimits(free=500, block_seconds=BLOCK_SECONDS),
    login_from_address=AttemptLimits(free=8, block_seconds=BLOCK_SECONDS),
    address=AttemptLimits(free=40, block_seconds=BLOCK_SECONDS),
    network=AttemptLimits(free=400, block_seconds=BLOCK_SECONDS),
)


@pytest.fixture
def throttle(clock) -> LoginThrottle:
    return LoginThrottle(LIMITS, clock)


def guess(throttle, clock, seconds, *clients, login=ANNA):
    """Guess from all clients for so long, each as soon as it may; the number of passwords that were checked."""
    end, checked = clock.now + seconds, 0
    while clock.now < end:
        waits = []
        for client in clients:
            if wait := throttle.wait_seconds(login, client):
                waits.append(wait)
                continue
            throttle.failed(login, client)
            checked += 1
        clock.now += min(waits) if len(waits) == len(clients) else 0.01
    return checked


def test_a_client_that_waits_for_each_pause_is_blocked_within_a_minute(throttle, clock):
    begin = clock.now
    blocks = []
    while not blocks:
        clock.now += throttle.wait_seconds(ANNA, HOME)
        blocks = throttle.failed(ANNA, HOME)
    assert blocks == [Block(LoginSubject(BlockKind.ACCOUNT_FROM_ADDRESS, f"{ANNA} 192.0.2.1"), BLOCK_SECONDS)]
    assert clock.now - begin < 60
    assert throttle.wait_seconds(ANNA, HOME) == BLOCK_SECONDS
    clock.now += BLOCK_SECONDS
    assert throttle.wait_seconds(ANNA, HOME) == 0


def test_a_day_of_guesses_from_one_address_checks_few_passwords(throttle, clock):
    assert guess(throttle, clock, 86_400, HOME) < 8 + BLOCK_AFTER + 15 * 144  # 144 blocks of 600 seconds


def test_ten_thousand_networks_check_few_passwords_of_one_account(throttle, clock):
    networks = [client_of(f"{10 + n // 65536}.{n // 256 % 256}.{n % 256}.1") for n in range(10_000)]
    checked = 0
    for minute in range(15):
        clock.now = 1000.0 + 60 * minute
        for client in networks:
            if not throttle.wait_seconds(ANNA, client):
                throttle.failed(ANNA, client)
                checked += 1
    assert 500 <= checked < 500 + 15 * 3


def test_the_user_in_a_known_network_logs_in_while_all_the_world_guesses(throttle, clock):
    throttle.succeeded(ANNA, HOME, IDENTITY)
    for n in range(2_000):
        throttle.failed(ANNA, client_of(f"10.{n // 250}.{n % 250}.1"))
    assert throttle.wait_seconds(ANNA, ABROAD) > 0
    assert throttle.wait_seconds(ANNA, HOME) == 0
    clock.now += 29 * 86_400
    for n in range(2_000):
        throttle.failed(ANNA, client_of(f"10.{n // 250}.{n % 250}.1"))
    assert throttle.wait_seconds(ANNA, HOME) == 0


def test_a_known_network_waits_for_its_own_failures_but_is_not_blocked(throttle, clock):
    throttle.succeeded(ANNA, HOME, IDENTITY)
    for _ in range(100):
        throttle.failed(ANNA, HOME)
    assert 0 < throttle.wait_seconds(ANNA, HOME) <= 300 < BLOCK_SECONDS


def test_addresses_of_one_ipv6_customer_are_one_client(throttle, clock):
    addresses = [client_of(f"2001:db8:0:1::{n:x}") for n in range(1, 500)]
    assert guess(throttle, clock, 30, *addresses) <= 8 + BLOCK_AFTER + 1  # one fades meanwhile


def test_networks_of_one_ipv6_site_are_one_network(throttle, clock):
    """65,536 customers' networks in a /48: each could have its free failures."""
    for n in range(1_000):
        client = client_of(f"2001:db8:7:{n:x}::1")
        if not throttle.wait_seconds(f"user{n}@example.org", client):
            throttle.failed(f"user{n}@example.org", client)
    assert throttle.wait_seconds("other@example.org", client_of("2001:db8:7:ffff::1")) > 0
    assert throttle.wait_seconds("other@example.org", client_of("2001:db8:8::1")) == 0


def test_failures_at_another_process_count_here(throttle):
    throttle.take(FailureReport(failures=(Failure(ANNA, HOME.address, 9),)))
    assert throttle.wait_seconds(ANNA, HOME) > 0
    assert not throttle.pending()


def test_a_report_that_comes_late_counts_at_its_time(throttle):
    throttle.take(FailureReport(failures=(Failure(ANNA, HOME.address, 9),), age=60.0))
    assert throttle.wait_seconds(ANNA, HOME) == 0


def test_an_older_failure_after_a_newer_one_has_faded_meanwhile(throttle, clock):
    for _ in range(8):
        throttle.failed(ANNA, HOME)
    throttle.take(FailureReport(failures=(Failure(ANNA, HOME.address, 1),), age=120.0))
    assert throttle.wait_seconds(ANNA, HOME) == 0
    throttle.take(FailureReport(failures=(Failure(ANNA, HOME.address, 1),), age=0.0))
    assert throttle.wait_seconds(ANNA, HOME) > 0


def test_a_block_of_another_process_is_in_force_here_until_it_ends_or_is_lifted(throttle, clock):
    subject = LoginSubject(BlockKind.ADDRESS, HOME.address)
    throttle.take(FailureReport(blocks=(Block(subject, 100.0),), age=10.0))
    assert throttle.wait_seconds(ANNA, HOME) == pytest.approx(90.0)
    throttle.take(FailureReport(lifted=(subject,)))
    assert throttle.wait_seconds(ANNA, HOME) == 0


def test_blocks_that_the_store_does_not_have_end_except_those_that_wait_to_be_sent(throttle):
    throttle.take(FailureReport(blocks=(Block(LoginSubject(BlockKind.ADDRESS, ABROAD.address), 100.0),)))
    for n in range(40 + BLOCK_AFTER):
        throttle.failed(f"user{n}@example.org", HOME)
    throttle.replace_blocks([Block(LoginSubject(BlockKind.NETWORK, "203.0.113.0/24"), 50.0)])
    assert throttle.wait_seconds(ANNA, ABROAD) == 0
    assert throttle.wait_seconds(ANNA, client_of("203.0.113.9")) == 50.0
    assert throttle.wait_seconds(ANNA, HOME) == BLOCK_SECONDS


def test_a_report_is_bounded_and_the_rest_follows(throttle):
    for n in range(FAILURES_OF_A_REPORT + 5):
        throttle.failed(f"user{n}@example.org", client_of(f"10.0.{n // 250}.{n % 250}"))
    assert len(throttle.pending().failures) == FAILURES_OF_A_REPORT
    assert len(throttle.pending().failures) == 5
    assert not throttle.pending()


def test_what_waits_for_an_unreachable_store_is_bounded(throttle):
    for n in range(30_000):
        throttle.failed(f"user{n}@example.org", client_of(f"10.{n // 62_500}.{n // 250 % 250}.{n % 250}"))
    assert len(throttle._failures) == 20_000


def test_nothing_is_exchanged_a_minute_after_the_last_failure_was_sent(throttle, clock):
    assert not throttle.is_active
    throttle.failed(ANNA, HOME)
    throttle.pending()
    assert throttle.is_active
    clock.now += 61
    assert not throttle.is_active


def test_a_login_that_is_no_address_is_shared_as_a_hash():
    assert shared_name(Address.parse("Anna@Example.org"), "Anna@Example.org") == ANNA
    typed = shared_name(None, "my secret password")
    assert typed == shared_name(None, "MY SECRET PASSWORD")
    assert "secret" not in typed
    assert len(shared_name(None, "\udcff" * 5000)) == 33
