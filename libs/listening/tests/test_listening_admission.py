"""Limits on open connections: of the process, of one address, and by the limit of open files."""

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
