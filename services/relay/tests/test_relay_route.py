"""The order of hosts, and who is nobody to send to: pure."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.dns.answer import MailExchanger
from mailyard.relay.providers import provider_of
from mailyard.relay.route import (
    before_ourselves,
    in_order,
    literal_address,
    takes_no_mail,
)

EXCHANGERS = st.lists(st.builds(MailExchanger, st.integers(0, 3), st.sampled_from("abcdefgh")), max_size=8)


@given(EXCHANGERS, st.randoms())
@settings(deadline=None)
def test_a_lower_preference_goes_first_and_nobody_is_lost(
    exchangers: list[MailExchanger], rng: random.Random
) -> None:
    ordered = in_order(exchangers, rng)
    assert sorted(ordered, key=str) == sorted(exchangers, key=str)
    assert [each.preference for each in ordered] == sorted(each.preference for each in exchangers)


def test_hosts_of_one_preference_share_the_load() -> None:
    exchangers = [MailExchanger(10, host) for host in "abc"]
    first = {in_order(exchangers, random.Random(seed))[0].host for seed in range(50)}
    assert first == {"a", "b", "c"}


def test_only_hosts_preferred_to_ourselves_remain() -> None:
    exchangers = [
        MailExchanger(5, "a"),
        MailExchanger(10, "us"),
        MailExchanger(10, "b"),
        MailExchanger(20, "c"),
    ]
    assert before_ourselves(exchangers, {"us"}) == exchangers[:1]
    assert before_ourselves(exchangers, {"other"}) == exchangers
    assert before_ourselves(exchangers[1:], {"us"}) == []


def test_a_null_mx_is_nothing_but_the_root() -> None:
    assert takes_no_mail([MailExchanger(0, "")])
    assert takes_no_mail([MailExchanger(10, "")])
    assert takes_no_mail([MailExchanger(0, ""), MailExchanger(10, "")])
    assert not takes_no_mail([MailExchanger(0, ""), MailExchanger(10, "a")])
    assert not takes_no_mail([])


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[ipv6:2001:db8::1]", "2001:db8::1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[x400:nobody]", None),
        ("[IPv6:192.0.2.1]", None),
        ("[010.0.0.1]", None),
        ("[0x7f.1]", None),
        ("[2130706433]", None),
        ("192.0.2.1", None),
        ("example.org", None),
    ],
)
def test_an_address_literal_is_read(domain: str, address: str | None) -> None:
    assert literal_address(domain) == address


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("gmail-smtp-in.l.google.com", "google"),
        ("example-org.mail.protection.outlook.com.", "microsoft"),
        ("MX00.GMX.NET", "gmx"),
        ("mx.notgoogle.com", "other"),
        ("mail.example.org", "other"),
        ("", "other"),
    ],
)
def test_a_host_belongs_to_a_provider(host: str, provider: str) -> None:
    assert provider_of(host) == provider
