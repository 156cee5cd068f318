"""Limits on open connections: of the process, of one address, and by the limit of open files."""

import resource

import pytest

from mailyard.listening.admission import Admission, ConnectionLimit, raise_file_limit


def test_so_many_in_all_and_so_many_from_one_address():
    admission = Admission(3, 2)
    assert [admission.admit(each) for each in ("a", "a", "a", "b", "c")] == [
        None,
        None,
        ConnectionLimit.ADDRESS,
        None,
        ConnectionLimit.TOTAL,
    ]
    admission.leave("a")
    assert admission.admit("a") is None


@pytest.mark.parametrize(
    ("addresses", "counted"),
    [
        (("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"), True),
        (("2001:db8::1", "2001:db8:0:1::1"), False),
        (("192.0.2.1", "192.0.2.2"), False),
        (("::ffff:192.0.2.1", "192.0.2.1"), True),
        (("fe80::1%eth0", "fe80::2%eth1"), True),
        (("no address", "no address"), True),
    ],
)
def test_an_ipv6_client_counts_by_its_network_and_an_ipv4_client_by_its_address(addresses, counted):
    admission = Admission(100, 1)
    refusals = [admission.admit(address) for address in addresses]
    assert refusals == [None] + [ConnectionLimit.ADDRESS if counted else None] * (len(addresses) - 1)
    for address, refusal in zip(addresses, refusals, strict=True):
        if refusal is None:
            admission.leave(address)
    assert not admission._open


def test_how_much_of_an_ipv6_address_counts_is_set():
    admission = Admission(100, 1, ipv6_prefix=128)
    assert [admission.admit(f"2001:db8::{number}") for number in range(3)] == [None] * 3
    admission = Admission(100, 1, ipv6_prefix=48)
    assert admission.admit("2001:db8:1:2::1") is None
    assert admission.admit("2001:db8:1:3::1") is ConnectionLimit.ADDRESS


def test_one_address_has_no_limit_where_none_is_set():
    admission = Admission(100, 0)
    assert all(admission.admit("a") is None for _ in range(100))


def test_there_is_room_for_no_more_connections_than_files():
    assert 1 <= raise_file_limit(10**9) < 10**9
    assert raise_file_limit(1) == 1


def test_the_process_is_busy_above_three_quarters_of_its_connections():
    admission = Admission(8, 0)
    for _ in range(6):
        admission.admit(None)
    assert not admission.is_busy
    admission.admit(None)
    assert admission.is_busy


def test_a_reserved_connection_counts_like_an_admitted_one_until_it_is_released():
    admission = Admission(2, 0)
    assert admission.admit("a") is None
    assert admission.reserve()
    assert admission.admit("b") is ConnectionLimit.TOTAL
    admission.release()
    assert admission.admit("b") is None
    assert not admission.reserve()


@pytest.mark.parametrize(
    ("limits", "connections", "set_to", "allowed"),
    [
        ((1024, 4096), 1000, (1256, 4096), 1000),  # 256 other files
        ((1024, 1100), 1000, (1100, 1100), 844),
        ((1024, resource.RLIM_INFINITY), 9000, (9256, resource.RLIM_INFINITY), 9000),
        ((4096, 4096), 1000, None, 1000),
        ((100, 100), 1000, (100, 100), 1),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_permitted(
    monkeypatch, limits, connections, set_to, allowed
):
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, values: calls.append(values))
    assert raise_file_limit(connections) == allowed
    assert calls == ([] if set_to is None else [set_to])
