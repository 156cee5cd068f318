"""DKIM keys by command."""

import pytest

from mailyard.directory.sealing import new_sealing_key

ZONE = "dkim.example.net"


@pytest.fixture
def keyed(example):
    example.environment["MAILYARD_SEALING_KEYS"] = new_sealing_key("k1")
    example.environment["MAILYARD_DKIM_ZONE"] = ZONE
    return example


def test_a_first_key_is_shown_with_the_records_that_the_customer_publishes(keyed) -> None:
    added = keyed.json("dkim", "add", "example.org")

    assert [(key["selector"], key["algorithm"], key["state"]) for key in added["keys"]] == [
        ("mailyard1", "rsa", "pending")
    ]
    assert added["records"] == [
        {
            "name": f"mailyard{slot}._domainkey.example.org",
            "type": "CNAME",
            "value": f"mailyard{slot}.example.org.{ZONE}",
        }
        for slot in (1, 2)
    ]
    assert keyed.json("dkim", "show", "example.org") == added
    assert "private" not in keyed("dkim", "show", "example.org", "--json").stdout


def test_the_table_says_what_to_publish_as_lines_of_a_zone(keyed) -> None:
    shown = keyed("dkim", "add", "example.org", "--selector-prefix", "s", "--algorithm", "ed25519").stdout

    assert f"s1-ed25519._domainkey.example.org. 3600 IN CNAME s1-ed25519.example.org.{ZONE}." in shown
    assert "to be published once" in shown


def test_the_zone_of_the_provider_has_the_keys_of_all_domains(keyed) -> None:
    (key,) = keyed.json("dkim", "add", "example.org")["keys"]
    keyed("domain", "add", "example.com", "--tenant", "acme")
    keyed("dkim", "add", "example.com", "--algorithm", "rsa", "--algorithm", "ed25519")

    zone = {each["name"]: each["value"] for each in keyed.json("dkim", "zone")}
    assert len(zone) == 6
    assert zone[f"mailyard1.example.org.{ZONE}"] == f"v=DKIM1; k=rsa; p={key['public']}"
    assert zone[f"mailyard2.example.org.{ZONE}"] == "v=DKIM1; k=rsa; p="
    lines = keyed("dkim", "zone", "--ttl", "300").stdout.splitlines()
    assert len(lines) == 6
    assert f'mailyard2.example.org.{ZONE}. 300 IN TXT "v=DKIM1; k=rsa; p="' in lines


def test_a_rotation_waits_until_the_first_key_is_published(keyed) -> None:
    keyed("dkim", "add", "example.org")
    refused = keyed("dkim", "rotate", "example.org")

    assert (refused.exit_code, "is not over: mailyard1 is pending" in refused.stderr) == (1, True)


def test_a_revoked_key_is_published_as_empty(keyed) -> None:
    keyed("dkim", "add", "example.org")
    (revoked,) = keyed.json("dkim", "revoke", "example.org", "mailyard1")

    assert revoked["state"] == "retired"
    assert {each["value"] for each in keyed.json("dkim", "zone")} == {"v=DKIM1; k=rsa; p="}


def test_private_keys_are_sealed_again(keyed) -> None:
    keyed("dkim", "add", "example.org")
    old = keyed.environment["MAILYARD_SEALING_KEYS"]
    keyed.environment["MAILYARD_SEALING_KEYS"] = f"{new_sealing_key('k2')}\n{old}"

    assert keyed("dkim", "reseal").stdout == "1 private keys were encrypted anew\n"
    assert keyed("dkim", "reseal").stdout == "0 private keys were encrypted anew\n"


@pytest.mark.parametrize(
    ("missing", "said"),
    [("MAILYARD_SEALING_KEYS", "MAILYARD_SEALING_KEYS"), ("MAILYARD_DKIM_ZONE", "set MAILYARD_DKIM_ZONE")],
)
def test_without_keys_or_zone_nothing_is_stored_and_the_setting_is_named(
    keyed, missing: str, said: str
) -> None:
    kept = keyed.environment.pop(missing)
    refused = keyed("dkim", "add", "example.org")

    assert (refused.exit_code, said in refused.stderr) == (1, True)
    keyed.environment[missing] = kept
    assert keyed.json("dkim", "show", "example.org")["keys"] == []


def test_a_domain_that_nobody_owns_has_no_keys(keyed) -> None:
    refused = keyed("dkim", "add", "example.com")

    assert (refused.exit_code, "no tenant has a domain example.com" in refused.stderr) == (1, True)
