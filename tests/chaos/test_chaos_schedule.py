"""The schedule of faults follows from its seed and includes every part."""

from collections import Counter

from tests.chaos.schedule import SERVERS, SERVICES, Amounts, Fault, Kind, allowance, plan

AMOUNTS = Amounts(kills=32, terms=8, cuts=12, stalls=8)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(5, AMOUNTS, 300) == plan(5, AMOUNTS, 300)
    assert plan(5, AMOUNTS, 300) != plan(6, AMOUNTS, 300)


def test_every_service_and_server_is_killed_equally_often() -> None:
    kills = Counter(fault.target for fault in plan(1, AMOUNTS, 300) if fault.kind is Kind.KILL)
    assert kills == dict.fromkeys(SERVICES + SERVERS, 4)


def test_faults_come_in_order_of_time_and_within_the_run() -> None:
    times = [fault.seconds for fault in plan(1, AMOUNTS, 300)]
    assert times == sorted(times)
    assert len(times) == AMOUNTS.total
    assert 0 < times[0] <= times[-1] <= 300


def test_mails_come_in_bursts_just_before_each_fault_and_all_are_allowed_at_the_end() -> None:
    faults = (Fault(10, Kind.KILL, "imap"), Fault(20, Kind.KILL, "router"))
    allowed = allowance(faults, mails=100, seconds=40)
    assert allowed(9.5) < 10
    assert allowed(9.9) > 39
    assert allowed(20) > 79
    assert allowed(40) == 100


def test_without_faults_mails_go_evenly() -> None:
    allowed = allowance((), mails=100, seconds=40)
    assert (allowed(0), allowed(20), allowed(50)) == (0, 50, 100)
