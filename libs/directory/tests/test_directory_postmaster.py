"""Postmaster and abuse of every domain lead to somebody (RFC 5321, section 4.5.1; RFC 2142)."""

import pytest

from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.model import Remote, Unknown
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc

ROLES = ["postmaster@example.org", "abuse@example.org", "PostMaster@Example.org"]
NEVER = CacheLimits(positive_seconds=0, negative_seconds=0)


@pytest.fixture
def fresh(store) -> Directory:
    return Directory(store, NEVER)


async def ends(directory: Directory, text: str) -> list[str]:
    address = Address.parse(text)
    resolution = await directory.resolve(address)
    assert not isinstance(resolution, Unknown | Remote), resolution
    return [str(end.address) for end in await directory.expand(address)]


@pytest.mark.parametrize("role", ROLES)
async def test_without_anything_else_the_oldest_active_account_of_the_tenant_receives(
    example, store, fresh, role
):
    assert await ends(fresh, role) == ["anna@example.org"]
    await Suspension(store, example, now_utc).suspend_account("acme", "anna@example.org")
    assert await ends(fresh, role) == ["bert@example.org"]


@pytest.mark.parametrize("role", ROLES)
async def test_explicit_address_contact_catch_all_and_setting_go_first_in_this_order(example, store, role):
    directory = Directory(store, NEVER, postmaster=Address("ops", "provider.test"))
    assert await ends(directory, role) == ["ops@provider.test"]
    await example.set_catch_all("acme", "example.org", "bert@example.org")
    assert await ends(directory, role) == ["bert@example.org"]
    await example.set_tenant("acme", contact="boss@elsewhere.test")
    assert await ends(directory, role) == ["boss@elsewhere.test"]
    await example.add_alias("acme", role.lower(), ["bert@example.org", "anna@example.org"])
    assert await ends(directory, role) == ["bert@example.org", "anna@example.org"]


async def test_a_contact_that_is_dead_by_now_does_not_lose_the_mail(example, store, fresh):
    await store.collection("tenants").update_one({"_id": "acme"}, {"$set": {"contact": "gone@example.org"}})
    assert await ends(fresh, "postmaster@example.org") == ["anna@example.org"]


async def write_alias(store, name: str, target: str) -> None:
    """Write an alias that was sound when it was made."""
    row = {"_id": name, "tenant": "acme", "address": name, "targets": [target]}
    await store.collection("addresses").insert_one(row)


async def test_whoever_takes_no_mail_any_more_is_passed_over_in_this_order(example, store):
    directory = Directory(store, NEVER, postmaster=Address("ops", "provider.test"))
    role = "postmaster@example.org"
    await example.set_catch_all("acme", "example.org", "bert@example.org")
    await example.set_tenant("acme", contact="carl@other.net")
    await write_alias(store, role, "gone@other.net")
    assert await ends(directory, role) == ["carl@other.net"]
    suspension = Suspension(store, example, now_utc)
    await suspension.suspend_account("other", "carl@other.net", refuse_mail=True)
    assert await ends(directory, role) == ["bert@example.org"]
    await suspension.suspend_account("acme", "bert@example.org", refuse_mail=True)
    assert await ends(directory, role) == ["ops@provider.test"]


async def test_a_disabled_postmaster_account_is_passed_over_in_this_order(example, store):
    directory = Directory(store, NEVER, postmaster=Address("ops", "provider.test"))
    role = "postmaster@example.org"
    await example.add_account("acme", role, "long enough")
    await example.set_tenant("acme", contact="boss@elsewhere.test")
    await Suspension(store, example, now_utc).suspend_account("acme", role, refuse_mail=True)
    assert await ends(directory, role) == ["boss@elsewhere.test"]


@pytest.mark.parametrize("what", ["domain", "tenant"])
async def test_they_are_taken_of_what_is_suspended_too(example, store, fresh, what):
    suspension = Suspension(store, example, now_utc)
    if what == "domain":
        await suspension.suspend_domain("acme", "example.org")
    else:
        await suspension.suspend_tenant("acme")
    assert await ends(fresh, "abuse@example.org") == ["anna@example.org"]
    await example.set_tenant("acme", contact="boss@elsewhere.test")
    assert await ends(fresh, "abuse@example.org") == ["boss@elsewhere.test"]
    assert isinstance(await fresh.resolve(Address("anna", "example.org")), Unknown)


async def test_a_tenant_without_accounts_has_nobody_to_receive(example, fresh):
    await example.add_tenant("empty")
    await example.add_domain("empty", "empty.example")
    assert isinstance(await fresh.resolve(Address("postmaster", "empty.example")), Unknown)


async def test_postmaster_without_a_domain_is_found(example, store, fresh):
    assert await fresh.postmaster("other.net") == Address("postmaster", "other.net")
    assert await fresh.postmaster("mail.provider.test") == Address("postmaster", "example.org")
    with_setting = Directory(store, NEVER, postmaster=Address("carl", "other.net"))
    assert await with_setting.postmaster("mail.provider.test") == Address("carl", "other.net")


async def test_an_empty_installation_has_no_postmaster(fresh):
    assert await fresh.postmaster("mail.provider.test") is None


async def test_the_default_of_a_role_without_any_recipient_is_unknown_for_rcpt_and_for_delivery(
    example, store, fresh
):
    await example.add_tenant("empty", contact="gone@example.org")
    await example.add_domain("empty", "empty.example")
    role = Address("abuse", "empty.example")
    assert isinstance(await fresh.resolve(role), Unknown)
    [end] = await fresh.expand(role)
    assert isinstance(end.resolution, Unknown)


async def test_a_role_of_a_foreign_domain_has_no_default(example, fresh):
    assert await fresh.resolve(Address("postmaster", "remote.net")) == Remote("remote.net")
    assert await fresh._default_of(Address("postmaster", "remote.net")) is None


async def test_a_contact_that_is_the_role_itself_is_no_stand_in(example, store, fresh):
    role = "postmaster@example.org"
    await store.collection("tenants").update_one({"_id": "acme"}, {"$set": {"contact": role}})
    assert await ends(fresh, role) == ["anna@example.org"]
