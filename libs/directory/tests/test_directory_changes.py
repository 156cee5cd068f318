"""Changes of what exists: names, contacts, quotas, passwords, and what a refused change leaves."""

import pytest
from bson import ObjectId

from mailyard.directory.errors import AlreadyExists, Invalid, NotFound
from mailyard.directory.model import Tenant
from mailyard.directory.rowupdate import update_of
from mailyard.message.address import Address

ANNA = Address("anna", "example.org")


@pytest.mark.parametrize(
    ("changed", "update"),
    [
        ({"a": 1}, {"$set": {"a": 1}}),
        ({"a": None}, {"$unset": {"a": ""}}),
        ({"a": 1, "b": None, "c": 0}, {"$set": {"a": 1, "c": 0}, "$unset": {"b": ""}}),
        ({"a": ""}, {"$set": {"a": ""}}),
        ({}, {}),
    ],
)
def test_an_update_replaces_values_and_removes_fields_that_have_none(changed, update):
    assert update_of(changed) == update


# Tenants


async def test_a_tenant_without_a_name_has_its_slug_as_the_name(example):
    assert (await example.add_tenant("third", "   ")).name == "third"
    assert (await example.set_tenant("acme", name=" ")).name == "acme"
    assert (await example.set_tenant("acme", name=" Acme & Sons ")).name == "Acme & Sons"


async def test_a_new_tenant_may_have_a_contact_that_does_not_exist_yet(example):
    tenant = await example.add_tenant("third", contact="Boss@third.example")
    assert tenant.contact == Address("Boss", "third.example")
    assert await example.tenants.get("third") == tenant
    with pytest.raises(Invalid, match="'boss' is not a mail address"):
        await example.add_tenant("fourth", contact="boss")
    assert await example.tenants.get("fourth") is None


async def test_a_contact_is_changed_and_removed_and_the_name_stays(example):
    changed = await example.set_tenant("acme", contact="Boss@elsewhere.test")
    assert changed == Tenant("acme", "Acme Corp.", contact=Address("Boss", "elsewhere.test"))
    assert await example.set_tenant("acme") == changed
    assert await example.set_tenant("acme", contact="") == Tenant("acme", "Acme Corp.")


async def test_a_contact_that_takes_no_mail_is_refused_and_nothing_changes(example):
    with pytest.raises(Invalid, match=r"nobody@example.org takes no mail"):
        await example.set_tenant("acme", name="New name", contact="nobody@example.org")
    assert await example.require_tenant("acme") == Tenant("acme", "Acme Corp.")


async def test_a_tenant_that_does_not_exist_cannot_be_changed(example):
    for change in ({"name": "x"}, {"contact": "boss@elsewhere.test"}, {"contact": ""}, {}):
        with pytest.raises(NotFound, match="there is no tenant nobody"):
            await example.set_tenant("nobody", **change)


# Domains


async def test_a_catch_all_of_another_tenants_domain_is_not_changed(example):
    for catch_all in ("carl@other.net", ""):
        with pytest.raises(NotFound, match=r"tenant other has no domain example.org"):
            await example.set_catch_all("other", "example.org", catch_all)
    assert (await example.require_domain("acme", "example.org")).catch_all is None


async def test_a_domain_may_be_named_in_any_spelling_when_it_is_changed(example):
    await example.add_domain("acme", "bücher.example")
    changed = await example.set_catch_all("acme", "BÜCHER.Example", "anna@example.org")
    assert (changed.name, changed.catch_all) == ("xn--bcher-kva.example", ANNA)


async def test_the_catch_all_of_a_new_domain_must_take_mail(example):
    with pytest.raises(Invalid, match=r"nobody@example.org takes no mail"):
        await example.add_domain("acme", "new.example", catch_all="nobody@example.org")
    assert await example.domains.get("acme", "new.example") is None


# Accounts


async def test_name_and_quota_of_an_account_are_changed_one_by_one_and_removed(example):
    named = await example.set_account("acme", "ANNA@example.org", name=" Anna A. ")
    assert (named.name, named.quota_bytes) == ("Anna A.", None)
    limited = await example.set_account("acme", "anna@example.org", quota_bytes=1)
    assert (limited.name, limited.quota_bytes) == ("Anna A.", 1)
    without_name = await example.set_account("acme", "anna@example.org", name=" ")
    assert (without_name.name, without_name.quota_bytes) == ("", 1)
    assert (await example.set_account("acme", "anna@example.org", quota_bytes=0)).quota_bytes is None


async def test_a_change_of_nothing_returns_the_account(example):
    assert await example.set_account("acme", "anna@example.org") == await example.require_account(
        "acme", ANNA
    )


async def test_a_negative_quota_is_refused(example):
    with pytest.raises(Invalid, match="above zero"):
        await example.set_account("acme", "anna@example.org", name="x", quota_bytes=-1)
    assert (await example.require_account("acme", ANNA)).name == ""


async def test_an_account_of_another_tenant_is_not_changed(example):
    with pytest.raises(NotFound, match=r"tenant other has no account anna@example.org"):
        await example.set_account("other", "anna@example.org", name="taken over")
    assert (await example.require_account("acme", ANNA)).name == ""


async def test_a_new_password_must_be_acceptable_and_a_refused_one_changes_nothing(example, store):
    before = await store.collection("accounts").find_one({"key": "anna@example.org"})
    for password in ("seven77", "x" * 1025, "é" * 513):
        with pytest.raises(Invalid):
            await example.set_password("acme", "anna@example.org", password)
    assert await store.collection("accounts").find_one({"key": "anna@example.org"}) == before


async def test_a_password_change_writes_hash_time_and_revision_together(example, store):
    before = await store.collection("accounts").find_one({"key": "anna@example.org"})
    await example.set_password("acme", "anna@example.org", "a new password")
    after = await store.collection("accounts").find_one({"key": "anna@example.org"})
    assert after["password"] != before["password"]
    assert after["password_changed_at"] >= before["password_changed_at"]
    assert (before.get("access_revision"), after["access_revision"]) == (None, 1)
    untouched = before.keys() - {"password", "password_changed_at"}
    assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}


async def test_an_account_that_is_removed_while_its_password_is_hashed_leaves_no_change(
    example, store, passwords, monkeypatch
):
    hash_password = passwords.hash

    async def removed_meanwhile(password: str) -> str:
        await store.collection("accounts").delete_one({"key": "anna@example.org"})
        return await hash_password(password)

    monkeypatch.setattr(passwords, "hash", removed_meanwhile)
    with pytest.raises(NotFound, match=r"tenant acme has no account anna@example.org"):
        await example.set_password("acme", "anna@example.org", "a new password")
    assert await store.collection("access_changes").count_documents({"_id": {"$gt": 0}}) == 0


# Aliases


async def test_an_alias_that_another_command_claims_meanwhile_is_refused(example, monkeypatch):
    checked = example.checks.alias

    async def claimed_meanwhile(alias, targets):
        await checked(alias, targets)
        await example.addresses._rows.insert_one(
            {"_id": alias.key, "tenant": "acme", "account": ObjectId()},
        )

    monkeypatch.setattr(example.checks, "alias", claimed_meanwhile)
    with pytest.raises(AlreadyExists, match=r"sales@example.org is taken"):
        await example.add_alias("acme", "sales@example.org", ["anna@example.org"])


async def test_an_account_is_no_alias_whose_targets_could_be_changed(example):
    with pytest.raises(NotFound, match=r"tenant acme has no alias anna@example.org"):
        await example.set_targets("acme", "anna@example.org", ["bert@example.org"])
    assert await example.accounts.get("acme", ANNA) is not None


async def test_an_alias_of_another_tenant_is_not_changed(example):
    await example.add_alias("acme", "sales@example.org", ["anna@example.org"])
    with pytest.raises(NotFound, match=r"tenant other has no alias sales@example.org"):
        await example.set_targets("other", "sales@example.org", ["carl@other.net"])
    alias = await example.require_alias("acme", Address("sales", "example.org"))
    assert alias.targets == (ANNA,)


async def test_targets_of_an_alias_cannot_all_be_removed(example):
    await example.add_alias("acme", "sales@example.org", ["anna@example.org"])
    with pytest.raises(Invalid, match="at least one target"):
        await example.set_targets("acme", "sales@example.org", [])
