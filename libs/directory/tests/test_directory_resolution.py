"""What becomes of one address, from given rows."""

from dataclasses import replace

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
    TenantStatus,
    Unknown,
)
from mailyard.directory.resolution import keys_of, resolution_of
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


CONTACT = Address("boss", "elsewhere.test")


@pytest.mark.parametrize("local", ["postmaster", "POSTMASTER", "Abuse"])
@pytest.mark.parametrize("status", [DomainStatus.ACTIVE, DomainStatus.SUSPENDED])
def test_mail_for_a_role_goes_to_the_contact_whatever_the_status_of_the_domain(local, status):
    domain = Domain("example.org", "acme", status, catch_all=ANNA.address, contact=CONTACT)
    expected = Expansion((CONTACT,), "acme", is_default=True)
    assert resolution_of(Address(local, "example.org"), domain, {}) == expected


def test_a_role_without_a_contact_is_caught_as_a_default_and_other_addresses_are_not_defaults():
    domain = Domain("example.org", "acme", catch_all=ANNA.address)
    assert resolve("abuse@example.org", domain) == Expansion((ANNA.address,), "acme", is_default=True)
    assert resolve("whoever@example.org", domain) == Expansion((ANNA.address,), "acme", is_default=False)
    assert resolve("abuse@example.org") == Unknown("no such address here")


def test_an_account_of_a_role_goes_before_the_contact():
    role = Account(ObjectId(), "acme", Address("postmaster", "example.org"))
    domain = Domain("example.org", "acme", contact=CONTACT)
    found = {"postmaster@example.org": role}
    assert resolution_of(role.address, domain, found) == LocalAccount(role, "acme", role.address)
    detailed = resolution_of(Address("Postmaster+x", "example.org"), domain, found)
    assert detailed == LocalAccount(role, "acme", role.address, "x")


def test_a_suspended_tenant_suspends_all_its_domains():
    domain = Domain("example.org", "acme", tenant_status=TenantStatus.SUSPENDED)
    assert resolve("anna@example.org", domain) == Unknown("the domain takes no mail now", "5.7.1")


def test_a_catch_all_does_not_take_the_mail_of_a_disabled_account():
    disabled = Account(ANNA.id, "acme", ANNA.address, AccountStatus.DISABLED)
    domain = Domain("example.org", "acme", catch_all=CONTACT)
    found = {"anna@example.org": disabled}
    for text in ("anna@example.org", "anna+x@example.org"):
        assert resolution_of(Address.parse(text), domain, found) == Unknown(
            "the mailbox is disabled", "5.2.1"
        )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Anna@example.org", ("anna@example.org",)),
        ("Anna+Lists@example.org", ("anna+lists@example.org", "anna@example.org")),
        ("anna+a+b@example.org", ("anna+a+b@example.org", "anna@example.org")),
        ("anna+@example.org", ("anna+@example.org",)),
        ("+anna@example.org", ("+anna@example.org",)),
        ('"anna k+x"@example.org', ("anna k+x@example.org", "anna k@example.org")),
        ("JOSE\u0301@example.org", ("jos\u00e9@example.org",)),
    ],
)
def test_an_address_is_looked_up_as_it_is_and_then_without_its_detail(text, keys):
    assert keys_of(Address.parse(text)) == keys


def test_the_detail_is_all_behind_the_first_plus_sign_in_its_own_case():
    assert resolve("anna+A+b@example.org") == LocalAccount(ANNA, "acme", ANNA.address, "A+b")


@pytest.mark.parametrize("local", ["anna", "nobody", "postmaster", "abuse"])
def test_no_address_of_an_unverified_domain_is_of_this_installation(local):
    domain = Domain("example.org", "acme", DomainStatus.UNVERIFIED, catch_all=CONTACT, contact=CONTACT)
    found = resolve(f"{local}@example.org", domain)
    assert found == Remote("example.org")
    assert found.is_unverified


ALIAS = Domain("example.com", "acme", alias_of="example.org", target=DOMAIN)


@pytest.mark.parametrize("local", ["anna", "ANNA+Lists", "sales", "nobody"])
def test_an_address_of_an_alias_domain_is_the_one_of_the_other_domain(local):
    assert resolve(f"{local}@example.com", ALIAS) == resolve(f"{local}@example.org")


def test_an_alias_domain_has_the_catch_all_and_the_contact_of_the_other_domain():
    target = Domain("example.org", "acme", catch_all=ANNA.address, contact=CONTACT)
    alias = replace(ALIAS, target=target, contact=CONTACT)
    assert resolve("nobody@example.com", alias) == Expansion((ANNA.address,), "acme")
    assert resolve("postmaster@example.com", alias) == Expansion((CONTACT,), "acme", is_default=True)


@pytest.mark.parametrize("suspended", ["alias", "target"])
def test_an_alias_domain_takes_no_mail_when_it_or_the_other_domain_is_suspended(suspended):
    status = DomainStatus.SUSPENDED
    target = replace(DOMAIN, status=status) if suspended == "target" else DOMAIN
    alias = replace(ALIAS, target=target)
    alias = replace(alias, status=status) if suspended == "alias" else alias
    assert resolve("anna@example.com", alias) == Unknown("the domain takes no mail now", "5.7.1")


def test_an_alias_domain_of_an_unverified_domain_is_not_of_this_installation():
    alias = replace(ALIAS, target=replace(DOMAIN, status=DomainStatus.UNVERIFIED))
    assert resolve("anna@example.com", alias) == Remote("example.com")


@pytest.mark.parametrize(
    ("separator", "text", "detail"),
    [
        ("-", "anna-lists@example.org", "lists"),
        ("-", "anna+lists@example.org", None),
        ("", "anna+lists@example.org", None),
        ("=", "anna=a=b@example.org", "a=b"),
    ],
)
def test_plus_addressing_has_the_separator_of_the_domain(separator, text, detail):
    found = resolve(text, replace(DOMAIN, separator=separator))
    expected = Unknown("no such address here")
    if detail is not None:
        expected = LocalAccount(ANNA, "acme", ANNA.address, detail)
    assert found == expected


@pytest.mark.parametrize(
    ("status", "tenant", "takes", "logs_in", "sends"),
    [
        (DomainStatus.ACTIVE, TenantStatus.ACTIVE, True, True, True),
        (DomainStatus.ACTIVE, TenantStatus.NO_SENDING, True, True, False),
        (DomainStatus.ACTIVE, TenantStatus.SUSPENDED, False, False, False),
        (DomainStatus.UNVERIFIED, TenantStatus.ACTIVE, False, True, False),
        (DomainStatus.SUSPENDED, TenantStatus.ACTIVE, False, False, False),
    ],
)
def test_a_status_decides_for_each_purpose(status, tenant, takes, logs_in, sends):
    domain = Domain("example.org", "acme", status, tenant_status=tenant)
    assert (domain.takes_mail, domain.may_log_in, domain.may_send) == (takes, logs_in, sends)
