"""Policies as values: what is read, what is refused, and which level decides. Pure."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.errors import Invalid
from mailyard.directory.policy import (
    AuthorPolicy,
    DomainPolicy,
    HygieneMode,
    TenantPolicy,
    changed_texts,
    effective,
    entries,
    read_policy,
)
from mailyard.directory.sending.rates import Rates
from mailyard.smtp.client import Security


def test_a_stored_policy_is_read_into_types() -> None:
    texts = {
        "author_policy": "rewrite",
        "message_size": "10M",
        "account_quota": "5G",
        "removed_mail_days": "7",
        "relay_route": "submission://smart.example",
        "relay_security": "encrypt",
        "relay_sources": "192.0.2.1, 2001:DB8::1",
        "login_source": "mongodb",
    }
    assert read_policy(DomainPolicy, texts) == DomainPolicy(
        author_policy=AuthorPolicy.REWRITE,
        message_size=10 * 2**20,
        account_quota=5 * 2**30,
        removed_mail_days=7,
        relay_route="submission://smart.example",
        relay_security=Security.ENCRYPT,
        relay_sources=("192.0.2.1", "2001:db8::1"),
        login_source="mongodb",
    )


def test_a_field_that_a_later_version_wrote_does_not_count() -> None:
    assert read_policy(TenantPolicy, {"from_the_future": "yes"}) == TenantPolicy()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("author_policy", "forbid"),
        ("message_size", "65535"),
        ("account_quota", "0"),
        ("account_quota", "much"),
        ("removed_mail_days", "-1"),
        ("removed_mail_days", "3651"),
        ("removed_mail_days", "a week"),
        ("relay_route", "http://smart.example"),
        ("relay_security", "always"),
        ("relay_sources", "nowhere"),
        ("relay_sources", "192.0.2.1,192.0.2.2"),
        ("login_source", "ldap"),
    ],
)
def test_a_value_that_is_not_possible_is_refused_with_the_name_of_its_field(name: str, text: str) -> None:
    with pytest.raises(Invalid, match=f"^{name}: '{text}'"):
        changed_texts(DomainPolicy, {}, {name: text})


def test_an_unknown_field_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(Invalid, match=r"no policy field relay_rout: write one of .*relay_route"):
        changed_texts(TenantPolicy, {}, {"relay_rout": "smart.example"})


def test_the_login_source_is_a_matter_of_domains_only() -> None:
    assert "login_source" in entries(DomainPolicy)
    with pytest.raises(Invalid, match="no policy field login_source"):
        changed_texts(TenantPolicy, {}, {"login_source": "mongodb"})


def test_a_change_keeps_the_other_fields_and_an_empty_text_removes_one() -> None:
    before = {"account_quota": "5G", "relay_security": "may"}
    after = changed_texts(TenantPolicy, before, {"relay_security": "", "removed_mail_days": "7"})
    assert after == {"account_quota": "5G", "removed_mail_days": "7"}
    assert before == {"account_quota": "5G", "relay_security": "may"}


def test_a_domain_goes_before_its_tenant_and_leaves_to_it_what_it_does_not_say() -> None:
    domain = DomainPolicy(relay_security=Security.NONE, removed_mail_days=0, login_source="mongodb")
    tenant = TenantPolicy(relay_security=Security.VERIFY, removed_mail_days=90, account_quota=1000)
    assert effective(domain, tenant) == DomainPolicy(
        relay_security=Security.NONE, removed_mail_days=0, account_quota=1000, login_source="mongodb"
    )


def test_every_field_says_what_it_decides() -> None:
    assert [name for name, entry in entries(DomainPolicy).items() if len(entry.about) < 30] == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("message_size", "65536", 65_536),
        ("message_size", "64K", 65_536),
        ("account_quota", "1", 1),
        ("account_quota", "1t", 2**40),
        ("removed_mail_days", "0", 0),
        ("removed_mail_days", "3650", 3650),
        ("relay_sources", "2001:db8::1", ("2001:db8::1",)),
        ("relay_sources", "2001:db8:0:0::1 ,192.0.2.1", ("2001:db8::1", "192.0.2.1")),
        ("author_policy", "allow", AuthorPolicy.ALLOW),
        ("relay_security", "none", Security.NONE),
        ("dnsbl", "note", HygieneMode.NOTE),
        ("greylisting", "off", HygieneMode.OFF),
        ("never_sends", "*", ("*",)),
        ("never_sends", "NoReply , news", ("noreply", "news")),
    ],
)
def test_a_value_at_the_limit_of_its_range_is_accepted(name: str, text: str, value: object) -> None:
    assert getattr(read_policy(TenantPolicy, {name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("relay_sources", ""),
        ("relay_sources", "192.0.2.1,"),
        ("relay_sources", "192.0.2.0/24"),
        ("relay_sources", "2001:db8::1,2001:db8::2"),
        ("relay_sources", "192.0.2.1,2001:db8::1,192.0.2.2"),
        ("author_policy", "REFUSE"),
        ("account_quota", "1.5G"),
        ("removed_mail_days", ""),
        ("removed_mail_days", "1.5"),
        ("relay_route", ""),
        ("login_source", ""),
        ("helo_check", "on"),
        ("never_sends", ","),
        ("never_sends", "a@b.example"),
        ("never_sends", ",".join(map(str, range(501)))),
    ],
)
def test_a_stored_value_beyond_its_range_makes_the_policy_unreadable(name: str, text: str) -> None:
    with pytest.raises(Invalid, match=f"^{name}: "):
        read_policy(DomainPolicy, {"removed_mail_days": "7", name: text})


def test_a_change_is_refused_as_a_whole_when_another_stored_field_is_not_readable() -> None:
    stored = {"relay_security": "from a later version"}
    with pytest.raises(Invalid, match=r"^relay_security: "):
        changed_texts(TenantPolicy, stored, {"account_quota": "1G"})
    assert changed_texts(TenantPolicy, stored, {"relay_security": ""}) == {}


def test_a_change_keeps_fields_that_a_later_version_wrote() -> None:
    stored = {"from_the_future": "yes", "account_quota": "1G"}
    assert changed_texts(TenantPolicy, stored, {"account_quota": ""}) == {"from_the_future": "yes"}
    with pytest.raises(Invalid, match="no policy field from_the_future"):
        changed_texts(TenantPolicy, stored, {"from_the_future": ""})


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "author_policy": st.sampled_from(AuthorPolicy),
    "message_size": st.integers(65_536, 2**40),
    "account_quota": st.integers(1, 2**40),
    "main_password_off": st.sampled_from([(), ("imap",), ("imap", "smtp")]),
    "removed_mail_days": st.integers(0, 3650),
    "login_log_days": st.integers(0, 3650),
    "detail_separator": st.sampled_from(["+", "-", "off"]),
    "relay_route": st.sampled_from(["a.example", "b.example"]),
    "relay_security": st.sampled_from(Security),
    "relay_sources": st.sampled_from([("192.0.2.1",), ("2001:db8::1",)]),
    "dnsbl": st.sampled_from(HygieneMode),
    "client_name": st.sampled_from(HygieneMode),
    "helo_check": st.sampled_from(HygieneMode),
    "early_talker": st.sampled_from(HygieneMode),
    "greylisting": st.sampled_from(HygieneMode),
    "null_sender": st.sampled_from(HygieneMode),
    "never_sends": st.sampled_from([("*",), ("noreply", "news")]),
    "account_recipients": st.sampled_from([Rates(), Rates(day=7)]),
    "domain_recipients": st.sampled_from([Rates(), Rates(hour=7)]),
    "tenant_recipients": st.sampled_from([Rates(), Rates(1, 2, 3)]),
    "messages_per_day": st.integers(0, 10**9 - 1),
    "jump_factor": st.integers(0, 10**9 - 1),
    "jump_minimum": st.integers(0, 10**9 - 1),
}
tenant_policies = st.builds(TenantPolicy, **{name: st.none() | value for name, value in VALUES.items()})
domain_policies = st.builds(
    DomainPolicy,
    login_source=st.none() | st.just("mongodb"),
    **{name: st.none() | value for name, value in VALUES.items()},
)


def test_the_properties_below_know_every_field() -> None:
    assert VALUES.keys() == entries(TenantPolicy).keys()


@given(domain_policies, tenant_policies)
def test_each_field_in_force_is_the_domain_s_or_else_the_tenant_s(
    domain: DomainPolicy, tenant: TenantPolicy
) -> None:
    found = effective(domain, tenant)
    for each in fields(DomainPolicy):
        own, inherited = getattr(domain, each.name), getattr(tenant, each.name, None)
        assert getattr(found, each.name) == (inherited if own is None else own), each.name


@given(domain_policies)
def test_a_tenant_that_says_nothing_changes_no_policy(domain: DomainPolicy) -> None:
    assert effective(domain, TenantPolicy()) == domain
    assert effective(domain, replace(TenantPolicy(), account_quota=1)).account_quota == (
        domain.account_quota or 1
    )


@given(domain_policies)
def test_the_texts_of_a_policy_are_read_back(domain: DomainPolicy) -> None:
    def text(value: object) -> str:
        return ",".join(value) or "none" if isinstance(value, tuple) else str(value)

    texts = {name: text(getattr(domain, name)) for name in entries(DomainPolicy)}
    changes = {name: "" if written == "None" else written for name, written in texts.items()}
    assert read_policy(DomainPolicy, changed_texts(DomainPolicy, {}, changes)) == domain
