"""What becomes of one address, from given rows."""

import pytest
from bson import ObjectId

from mailyard.directory.model import (
    Account,
    AccountStatus,
    Alias,
    Domain,
    DomainStatus,
    Expansion,
    LocalAccount,
    Remote,
    Unknown,
)
from mailyard.directory.resolution import resolution_of
from mailyard.message.address import Address

DOMAIN = Domain("example.org", "acme")
ANNA = Account(ObjectId(), "acme", Address("anna", "example.org"))
SALES = Alias(Address("sales", "example.org"), "acme", (ANNA.address, Address("bert", "remote.net")))
FOUND = {"anna@example.org": ANNA, "sales@example.org": SALES}


def resolve(text: str, domain: Domain | None = DOMAIN):
    return resolution_of(Address.parse(text), domain, FOUND)


def test_an_address_of_a_foreign_domain_is_remote():
    assert resolve("anna@remote.net", None) == Remote("remote.net")


@pytest.mark.parametrize("text", ["anna@example.org", "ANNA@Example.ORG", '"anna"@example.org'])
def test_an_accounts_address_is_found_in_any_spelling(text):
    assert resolve(text) == LocalAccount(ANNA, "acme", ANNA.address)


def test_what_stands_behind_the_plus_sign_is_the_detail():
    assert resolve("Anna+Lists@example.org") == LocalAccount(ANNA, "acme", ANNA.address, "Lists")


def test_an_alias_stands_for_its_targets_with_and_without_detail():
    assert resolve("sales@example.org") == Expansion(SALES.targets, "acme")
    assert resolve("sales+now@example.org") == Expansion(SALES.targets, "acme")


def test_an_exact_address_goes_before_the_one_without_detail():
    found = {**FOUND, "anna+sales@example.org": SALES}
    assert resolution_of(Address.parse("anna+sales@example.org"), DOMAIN, found) == Expansion(
        SALES.targets, "acme"
    )


def test_an_address_that_nobody_claims_is_unknown():
    assert resolve("nobody@example.org") == Unknown("no such address here", "5.1.1")


def test_a_catch_all_takes_what_nobody_claims_and_nothing_else():
    domain = Domain("example.org", "acme", catch_all=ANNA.address)
    assert resolve("nobody@example.org", domain) == Expansion((ANNA.address,), "acme")
    assert resolve("sales@example.org", domain) == Expansion(SALES.targets, "acme")


@pytest.mark.parametrize("text", ["anna@example.org", "nobody@example.org"])
def test_a_suspended_domain_takes_no_mail(text):
    domain = Domain("example.org", "acme", DomainStatus.SUSPENDED, catch_all=ANNA.address)
    assert resolve(text, domain) == Unknown("the domain takes no mail now", "5.7.1")


def test_a_suspended_account_takes_mail_and_a_disabled_one_does_not():
    for status, expected in [(AccountStatus.SUSPENDED, LocalAccount), (AccountStatus.DISABLED, Unknown)]:
        account = Account(ANNA.id, "acme", ANNA.address, status)
        resolution = resolution_of(ANNA.address, DOMAIN, {ANNA.address.key: account})
        assert isinstance(resolution, expected)


def test_a_leading_plus_sign_separates_nothing():
    assert resolve("+anna@example.org") == Unknown("no such address here")
