"""Policies of tenants and domains by command."""

import datetime as dt

import pytest


def values(records: list[dict]) -> dict[str, tuple[str, str]]:
    return {each["field"]: (each["value"], each["set_by"]) for each in records if each["value"] is not None}


def test_a_policy_is_shown_with_the_level_that_set_each_field(example) -> None:
    example.json("tenant", "policy", "set", "acme", "account_quota=5G", "relay_security=encrypt")
    shown = example.json("domain", "policy", "set", "example.org", "account_quota=1G")
    expected = {"account_quota": ("1G", "domain"), "relay_security": ("encrypt", "tenant")}
    assert values(shown) == expected
    assert values(example.json("domain", "policy", "show", "example.org")) == expected
    assert values(example.json("tenant", "policy", "show", "acme")) == {
        "account_quota": ("5G", "tenant"),
        "relay_security": ("encrypt", "tenant"),
    }
    by_field = {each["field"]: each for each in shown}
    assert by_field["login_source"]["set_by"] == "installation"
    assert "mongodb" in by_field["login_source"]["about"]


def test_a_field_without_a_value_is_removed(example) -> None:
    example.json("tenant", "policy", "set", "acme", "account_quota=5G")
    assert values(example.json("tenant", "policy", "set", "acme", "account_quota=")) == {}


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ("account_quota", 2, "'account_quota' is not NAME=VALUE"),
        ("acount_quota=5G", 1, "there is no policy field acount_quota"),
        ("relay_route=http://x", 1, "relay_route: 'http://x'"),
    ],
)
def test_a_wrong_change_is_refused(example, change: str, status: int, text: str) -> None:
    result = example("tenant", "policy", "set", "acme", change)
    assert (result.exit_code, text in result.stderr) == (status, True)
    assert values(example.json("tenant", "policy", "show", "acme")) == {}


def test_the_help_says_what_each_field_decides(example) -> None:
    shown = " ".join(example("domain", "policy", "set", "--help").stdout.split())
    assert "login_source: What checks the logins of its accounts. Default: mongodb." in shown


def test_a_new_account_has_the_quota_of_the_policy(example) -> None:
    example.json("tenant", "policy", "set", "acme", "account_quota=2G")
    assert example.json("account", "add", "anna@example.org", "--generate")[0]["quota_bytes"] == 2 * 2**30


@pytest.mark.parametrize(("policy", "days"), [((), 30), (("removed_mail_days=7",), 7)])
def test_the_mail_of_a_removed_account_is_kept_as_the_policy_says(
    example, policy: tuple[str, ...], days: int
) -> None:
    if policy:
        example.json("tenant", "policy", "set", "acme", *policy)
    example("account", "add", "anna@example.org", "--generate")
    refused = example("account", "remove", "anna@example.org")
    assert f"deleted in {days} days" in refused.stderr
    assert example("account", "remove", "anna@example.org", "--keep-days", "3").stderr.count("in 3 days") == 1
    example.json("account", "remove", "anna@example.org", "--yes")
    [removed] = example.json("account", "list", "--removed")
    kept = removed["purge_at"][:10], removed["removed_at"][:10]
    assert _days_between(kept[1], kept[0]) == days


def _days_between(first: str, last: str) -> int:
    return (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days
