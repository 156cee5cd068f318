"""Policies as values: what is read, what is refused, and which level decides. Pure."""

import pytest

from mailyard.directory.errors import Invalid
from mailyard.directory.policy import (
    AuthorPolicy,
    DomainPolicy,
    TenantPolicy,
    changed_texts,
    effective,
    entries,
    read_policy,
)
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
