"""Tenants, domains, accounts and aliases in a real MongoDB."""

import asyncio

import pytest

from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.model import Domain, Tenant
from mailyard.message.address import Address


async def test_what_is_added_is_listed_in_order_and_by_tenant(example):
    assert await example.tenants.list() == [Tenant("acme", "Acme Corp."), Tenant("other", "other")]
    await example.add_domain("acme", "BÜCHER.example", catch_all="anna@example.org")
    assert await example.domains.list("acme") == [
        Domain("example.org", "acme"),
        Domain("xn--bcher-kva.example", "acme", catch_all=Address("anna", "example.org")),
    ]
    assert [str(each.address) for each in await example.accounts.list("acme")] == [
        "anna@example.org",
        "bert@example.org",
    ]
    alias = await example.add_alias("acme", "Sales@example.org", ["anna@example.org", "x@remote.net"])
    assert await example.addresses.list_aliases("acme") == [alias]
    assert await example.addresses.list_aliases("other") == []


async def test_a_quota_is_kept(example):
    await example.add_account("acme", "dora@example.org", "long enough", quota_bytes=5_000_000)
    account = await example.accounts.get("acme", Address("dora", "example.org"))
    assert account is not None
    assert account.quota_bytes == 5_000_000


async def test_names_that_are_taken_are_refused_even_by_another_tenant(example):
    with pytest.raises(AlreadyExists, match="tenant acme exists"):
        await example.add_tenant("acme")
    with pytest.raises(AlreadyExists, match=r"domain example.org is taken"):
        await example.add_domain("other", "example.org")
    with pytest.raises(AlreadyExists, match=r"anna@example.org is taken by an account of tenant acme"):
        await example.add_alias("acme", "anna@example.org", ["bert@example.org"])
    await example.add_alias("acme", "sales@example.org", ["bert@example.org"])
    with pytest.raises(
        AlreadyExists, match=r"SALES@example.org is taken by an alias of tenant acme; .* alias add-target"
    ):
        await example.add_account("acme", "SALES@example.org", "long enough")


async def test_a_refused_account_leaves_nothing_behind(example, store):
    with pytest.raises(AlreadyExists):
        await example.add_account("acme", "anna@example.org", "long enough")
    assert await store.collection("accounts").count_documents({}) == 3
    assert await store.collection("addresses").count_documents({}) == 3


async def test_of_two_that_claim_one_address_at_once_one_gets_it(example):
    claims = [example.add_account("acme", "dora@example.org", "long enough") for _ in range(4)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert sorted(isinstance(result, AlreadyExists) for result in results) == [False, True, True, True]


async def test_nobody_gives_away_addresses_of_another_tenants_domain(example):
    for tenant, domain in [("acme", "other.net"), ("other", "example.org"), ("acme", "nowhere.net")]:
        with pytest.raises(NotFound, match=f"tenant {tenant} has no domain {domain}"):
            await example.add_account(tenant, f"x@{domain}", "long enough")
        with pytest.raises(NotFound):
            await example.add_alias(tenant, f"x@{domain}", ["anna@example.org"])


async def test_nobody_sets_the_password_of_another_tenants_account(example):
    with pytest.raises(NotFound, match=r"tenant other has no account anna@example.org"):
        await example.set_password("other", "anna@example.org", "long enough")


async def test_a_domain_needs_its_tenant(example):
    with pytest.raises(NotFound, match="no tenant nobody"):
        await example.add_domain("nobody", "example.net")


@pytest.mark.parametrize(
    ("address", "password", "quota"),
    [
        ("no address", "long enough", None),
        ("dora+x@example.org", "long enough", None),
        ("dora@example.org", "short", None),
        ("dora@example.org", "long enough", 0),
    ],
)
async def test_bad_values_are_refused(example, address, password, quota):
    with pytest.raises(Invalid):
        await example.add_account("acme", address, password, quota)


async def test_an_alias_needs_targets(example):
    with pytest.raises(Invalid, match="at least one target"):
        await example.add_alias("acme", "sales@example.org", [])


async def test_indexes_may_be_ensured_again(store):
    await ensure_indexes(store)
    names = set(await store.collection("accounts").index_information())
    assert names == {"_id_", "login", "tenant", "age", "domain", "quotas"}
