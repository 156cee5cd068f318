"""Resellers, plans, verified and alias domains by command."""

import re

import pytest

from mailyard.dns.answer import DnsAnswer, DnsFailure


@pytest.fixture
def seller(example):
    """Reseller `seller` with the customer `one`, which has one.example."""
    for arguments in [
        ("tenant", "add", "seller", "--reseller", "--domains", "5", "--accounts", "10", "--storage", "10G"),
        (
            "tenant",
            "add",
            "one",
            "--parent",
            "seller",
            "--domains",
            "2",
            "--accounts",
            "1",
            "--storage",
            "5G",
        ),
        ("domain", "add", "one.example", "--tenant", "one"),
    ]:
        assert example(*arguments).exit_code == 0
    return example


def limits(shown) -> dict[str, tuple]:
    return {each["resource"]: (each["limit"], each["promised"], each["used"]) for each in shown["limits"]}


def test_a_tenant_is_shown_with_its_limits_and_their_use(seller):
    seller("account", "add", "a@one.example", "--generate", "--quota", "1G")
    seller("tenant", "set", "one", "--retention-days", "7", "--weight", "3", "--language", "de")
    one = seller.json("tenant", "show", "one")
    assert (one["kind"], one["parent"], one["weight"], one["language"], one["retention_days"]) == (
        "customer",
        "seller",
        3,
        "de",
        7,
    )
    assert limits(one) == {
        "domains": (2, None, 1),
        "accounts": (1, None, 1),
        "storage_bytes": (5 * 2**30, None, 2**30),
        "messages_per_day": (None, None, None),
        "stored_bytes": (None, None, 0),
    }
    shown = limits(seller.json("tenant", "show", "seller"))
    assert shown["domains"] == (5, 2, 1)
    assert shown["storage_bytes"] == (10 * 2**30, 5 * 2**30, 2**30)
    assert shown["messages_per_day"] == (None, "no limit", None)
    table = seller("tenant", "show", "seller").stdout
    assert "status in force: active" in table
    assert re.search(r"domains +5 +2 +1", table)


def test_a_limit_ends_the_command_with_limit_and_use(seller):
    seller("account", "add", "a@one.example", "--generate", "--quota", "1G")
    refused = seller("account", "add", "b@one.example", "--generate", "--quota", "1G")
    assert refused.exit_code != 0
    assert "the tenant one has a limit of 1 accounts, and would use 2" in refused.stderr
    refused = seller("tenant", "set", "one", "--domains", "6")
    assert "the reseller seller may promise 5 domains: its customers would have 6" in refused.stderr
    assert seller("tenant", "set", "seller", "--overpromise").exit_code == 0
    assert seller("tenant", "set", "one", "--domains", "6", "--accounts", "none").exit_code == 0


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "5X"])
@pytest.mark.parametrize("option", ["--domains", "--storage"])
def test_what_is_no_limit_is_refused(seller, option, text):
    assert seller("tenant", "set", "one", option, text).exit_code == 2


def test_the_tree_shows_who_belongs_to_whom(seller):
    seller("domain", "add", "bücher.example", "--tenant", "one")
    seller("tenant", "suspend", "acme", "--sending")
    assert seller("tenant", "tree").stdout.splitlines() == [
        "provider",
        "  customer acme (no-sending)",
        "    example.org",
        "  reseller seller",
        "    customer one",
        "      one.example",
        "      bücher.example",
    ]
    assert [each["tenant"] for each in seller.json("tenant", "list", "--parent", "seller")] == ["one"]


def test_a_customer_shows_the_status_of_its_reseller(seller):
    assert seller.json("tenant", "suspend", "seller")[0]["status"] == "suspended"
    one = seller.json("tenant", "show", "one")
    assert (one["status"], one["status_in_force"]) == ("active", "suspended")
    refused = seller("tenant", "suspend", "seller", "--sending")
    assert "the tenant seller is suspended" in refused.stderr


def test_an_audit_finds_nothing_where_nothing_is_wrong(seller):
    assert seller.json("tenant", "audit") == []


def test_a_domain_is_unverified_until_it_is_verified(seller, monkeypatch):
    added = seller("domain", "add", "claimed.example", "--tenant", "acme", "--unverified")
    record = re.search(
        r'_mailyard\.claimed\.example\. 3600 IN TXT "(mailyard-verification=[0-9a-f]{32})"', added.stdout
    )
    assert record
    domains = {each["domain"]: each for each in seller.json("domain", "list")}
    assert domains["claimed.example"]["status"] == "unverified"
    assert domains["claimed.example"]["verification"] == record[1]
    refused = seller("domain", "verify", "claimed.example", "--dns", "127.0.0.1:1")
    assert "no DNS server answers for _mailyard.claimed.example" in refused.stderr
    [verified] = seller.json("domain", "verify", "claimed.example", "--without-dns")
    assert (verified["status"], verified["verification"]) == ("active", None)


@pytest.mark.parametrize(
    ("texts", "verified"), [(["wrong"], False), ([], False), (["v=spf1 -all", None], True)]
)
def test_the_dns_decides_whether_a_domain_is_verified(seller, monkeypatch, texts, verified):
    seller("domain", "add", "claimed.example", "--tenant", "acme", "--unverified")
    domains = {each["domain"]: each for each in seller.json("domain", "list")}
    token = domains["claimed.example"]["verification"]

    async def resolve(self, name, kind):
        assert (name, kind) == ("_mailyard.claimed.example", "TXT")
        return DnsAnswer(tuple(text or token for text in texts), False) if texts else DnsFailure.NO_DOMAIN

    monkeypatch.setattr("mailyard.cli.domain.DnsResolver.resolve", resolve)
    result = seller("domain", "verify", "Claimed.Example")
    assert (result.exit_code == 0) is verified
    assert ("the DNS does not show this record yet" in result.stderr) is not verified


def test_the_setting_makes_new_domains_unverified(seller):
    seller.environment["MAILYARD_VERIFY_DOMAINS"] = "true"
    assert seller.json("domain", "add", "a.example", "--tenant", "acme")[0]["status"] == "unverified"
    assert (
        seller.json("domain", "add", "b.example", "--tenant", "acme", "--verified")[0]["status"] == "active"
    )


def test_an_alias_domain_is_added_and_shown(seller):
    [added] = seller.json("domain", "add", "example.com", "--tenant", "acme", "--alias-of", "example.org")
    assert added["alias_of"] == "example.org"
    refused = seller("account", "add", "x@example.com", "--generate")
    assert "example.com is an alias domain" in refused.stderr


def test_tables_show_addresses_with_u_labels_and_json_with_a_labels(seller):
    seller("domain", "add", "bücher.example", "--tenant", "acme")
    assert seller("account", "add", "josé@BÜCHER.example", "--generate").exit_code == 0
    assert "josé@bücher.example" in seller("account", "list").stdout
    accounts = [each["account"] for each in seller.json("account", "list")]
    assert accounts == ["josé@xn--bcher-kva.example"]
    for verb in ("suspend", "resume"):
        assert seller("account", verb, "JOSÉ@xn--bcher-kva.example").exit_code == 0
    assert seller("domain", "policy", "show", "Bücher.Example").exit_code == 0
