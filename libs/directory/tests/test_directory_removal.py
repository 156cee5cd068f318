"""What removal takes, what it keeps, and what stands in its way."""

import asyncio
from datetime import timedelta

import pytest
from bson import ObjectId

from mailyard.directory.errors import AlreadyExists, InUse, NotFound
from mailyard.directory.model import Remote, Unknown
from mailyard.directory.policychange import PolicyChange
from mailyard.directory.removal import Removal
from mailyard.directory.removed import STRAGGLERS
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc

ANNA = "anna@example.org"
MONTH = timedelta(days=30)


@pytest.fixture
def removal(example, store) -> Removal:
    return Removal(store, example, Suspension(store, example, now_utc), now_utc)


async def count(store) -> dict[str, int]:
    names = ("tenants", "domains", "accounts", "addresses", "removed_accounts")
    return {name: await store.collection(name).count_documents({}) for name in names}


async def test_a_removed_accounts_address_is_free_at_once_and_the_new_account_is_another(example, removal):
    old = await removal.remove_account("acme", ANNA, MONTH)
    new = await example.add_account("acme", ANNA, "another password")
    assert new.id != old.id
    [kept] = await removal.removed.list("acme")
    assert (kept.id, kept.address) == (old.id, old.address)
    assert kept.purge_at - kept.removed_at == MONTH


async def test_a_removed_account_comes_back_with_its_id_and_password(example, removal):
    old = await removal.remove_account("acme", ANNA, MONTH)
    assert (await removal.restore_account("acme", ANNA)).id == old.id
    assert (await example.accounts.entry_by_login(Address.parse(ANNA))).account == old
    assert await removal.removed.list("acme") == []
    with pytest.raises(NotFound, match=r"no removed account anna@example.org"):
        await removal.restore_account("acme", ANNA)


async def test_an_account_whose_address_was_given_away_does_not_come_back(example, removal, store):
    await removal.remove_account("acme", ANNA, MONTH)
    await example.add_account("acme", ANNA, "another password")
    before = await count(store)
    with pytest.raises(AlreadyExists, match="given to somebody else"):
        await removal.restore_account("acme", ANNA)
    assert await count(store) == before


async def test_an_account_whose_mail_is_deleted_does_not_come_back(removal):
    await removal.remove_account("acme", ANNA, timedelta(0))
    with pytest.raises(NotFound):
        await removal.restore_account("acme", ANNA)
    due = await removal.removed.entry_due(now_utc())
    assert await removal.removed.begin_purge(due)
    await removal.removed.look_again(due, now_utc() + MONTH)
    with pytest.raises(NotFound):
        await removal.restore_account("acme", ANNA)


async def test_what_others_lead_to_is_not_removed(example, removal, store):
    await example.add_alias("acme", "sales@example.org", [ANNA, "bert@example.org"])
    await example.add_alias("other", "far@other.net", [ANNA])
    await example.set_catch_all("acme", "example.org", ANNA)
    await example.set_tenant("acme", contact=ANNA)
    before = await count(store)
    with pytest.raises(InUse) as refused:
        await removal.remove_account("acme", ANNA, MONTH)
    assert str(refused.value) == (
        "mail of others goes there: alias far@other.net, alias sales@example.org, catch-all of example.org,"
        " contact of tenant acme; change these first"
    )
    await example.add_alias("acme", "top@example.org", ["sales@example.org"])
    with pytest.raises(InUse, match=r"alias top@example.org"):
        await removal.remove_alias("acme", "sales@example.org")
    await removal.remove_alias("acme", "top@example.org")
    await removal.remove_alias("acme", "sales@example.org")
    assert await count(store) == before | {"addresses": before["addresses"] - 1}


async def test_a_domain_with_accounts_goes_only_with_them(example, removal, store, directory):
    await example.add_alias("acme", "sales@example.org", [ANNA])
    await example.set_catch_all("acme", "example.org", ANNA)
    with pytest.raises(InUse, match=r"example.org has anna@example.org, .*--with-accounts"):
        await removal.remove_domain("acme", "example.org", MONTH, with_accounts=False)
    await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert await count(store) == {
        "tenants": 2,
        "domains": 1,
        "accounts": 1,
        "addresses": 1,
        "removed_accounts": 2,
    }
    assert await directory.resolve(Address.parse(ANNA)) == Remote("example.org")


async def test_a_domain_that_another_domain_leads_to_is_not_removed(example, removal):
    await example.add_domain("acme", "second.example")
    await example.add_alias("acme", "x@second.example", [ANNA])
    with pytest.raises(InUse, match=r"alias x@second.example"):
        await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert await example.accounts.get("acme", Address.parse(ANNA)) is not None


async def test_a_tenant_goes_with_all_that_it_has_and_leaves_the_others_alone(example, removal, store):
    await example.add_domain("acme", "second.example", catch_all=ANNA)
    await example.add_alias("acme", "x@second.example", [ANNA])
    await example.set_tenant("acme", contact=ANNA)
    with pytest.raises(InUse, match=r"acme has example.org, second.example"):
        await removal.remove_tenant("acme", MONTH, with_domains=False)
    await removal.remove_tenant("acme", MONTH, with_domains=True)
    assert await count(store) == {
        "tenants": 1,
        "domains": 1,
        "accounts": 1,
        "addresses": 1,
        "removed_accounts": 2,
    }


async def test_a_removal_that_was_interrupted_lets_nobody_in_and_can_be_repeated(
    example, removal, store, directory, monkeypatch
):
    calls = 0
    add = removal.removed.add

    async def fails_once(*arguments):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        await add(*arguments)

    monkeypatch.setattr(removal.removed, "add", fails_once)
    with pytest.raises(KeyboardInterrupt):
        await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    left = await example.accounts.list("acme")
    assert len(left) == 1
    assert isinstance(await directory.resolve(left[0].address), Unknown)
    await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert (await count(store))["removed_accounts"] == 2


async def test_nobody_removes_what_another_tenant_has(removal):
    with pytest.raises(NotFound):
        await removal.remove_account("other", ANNA, MONTH)
    with pytest.raises(NotFound):
        await removal.remove_domain("other", "example.org", MONTH, with_accounts=True)
    with pytest.raises(NotFound):
        await removal.remove_tenant("nobody", MONTH, with_domains=True)


async def test_an_account_that_is_added_while_its_domain_is_removed_does_not_hold_the_removal_up(
    example, removal, store, monkeypatch
):
    await example.add_alias("acme", "sales@example.org", [ANNA])
    list_of_domain = example.addresses.list_of_domain
    added = False

    async def adds_first(*arguments, **options):
        nonlocal added
        if arguments[-1] == 100 and not added:  # a portion of the removal itself
            added = True
            await example.add_account("acme", "late@example.org", "long enough")
        return await list_of_domain(*arguments, **options)

    monkeypatch.setattr(example.addresses, "list_of_domain", adds_first)
    async with asyncio.timeout(30):
        await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert added
    assert await store.collection("addresses").count_documents({"tenant": "acme"}) == 0
    assert (await count(store))["removed_accounts"] == 3


async def test_a_removed_account_is_listed_until_its_mail_is_deleted(removal):
    await removal.remove_account("acme", ANNA, timedelta(0))
    assert len(await removal.removed.list("acme")) == 1
    due = await removal.removed.entry_due(now_utc())
    assert await removal.removed.begin_purge(due)
    await removal.removed.look_again(due, now_utc() + MONTH)
    assert await removal.removed.list("acme") == []


async def test_an_alias_that_writes_its_target_in_another_case_counts_too(example, removal):
    alias = await example.add_alias("acme", "sales@example.org", ["Anna@Example.org", "Max@elsewhere.test"])
    assert [str(target) for target in alias.targets] == ["anna@example.org", "Max@elsewhere.test"]
    with pytest.raises(InUse, match=r"alias sales@example.org"):
        await removal.remove_account("acme", ANNA, MONTH)


async def test_the_mail_of_a_removed_account_is_kept_as_wanted_else_by_policy_else_thirty_days(
    example, removal, store
):
    change = PolicyChange(store, example)
    week, nothing = timedelta(days=7), timedelta(0)
    assert await removal.mail_is_kept("example.org", None) == MONTH
    await change.set_tenant("acme", {"removed_mail_days": "7"})
    assert await removal.mail_is_kept("example.org", None) == week
    assert await removal.mail_is_kept("example.org", nothing) == nothing
    await change.set_domain("acme", "example.org", {"removed_mail_days": "0"})
    assert await removal.mail_is_kept("example.org", None) == nothing
    assert await removal.mail_is_kept("other.net", None) == MONTH
    await removal.remove_account("acme", ANNA, None)
    [kept] = await removal.removed.list("acme")
    assert kept.purge_at == kept.removed_at
    assert kept.until == kept.removed_at + STRAGGLERS  # queued mail may still arrive for the account


async def test_the_row_of_an_account_whose_mail_is_kept_for_long_stays_as_long(removal):
    await removal.remove_account("acme", ANNA, timedelta(days=100))
    [kept] = await removal.removed.list("acme")
    assert kept.until == kept.purge_at


async def test_an_account_comes_back_to_its_own_tenant_only(example, removal):
    await removal.remove_account("acme", ANNA, MONTH)
    with pytest.raises(NotFound, match=r"tenant other has no domain example.org"):
        await removal.restore_account("other", ANNA)
    assert str((await removal.restore_account("acme", "ANNA@example.org")).address) == ANNA


async def test_of_two_removed_accounts_of_one_address_the_latest_comes_back(example, removal):
    await removal.remove_account("acme", ANNA, MONTH)
    second = await example.add_account("acme", ANNA, "another password", name="Second")
    await removal.remove_account("acme", ANNA, MONTH)
    latest, _ = await removal.removed.list("acme")
    assert latest.id == second.id
    assert await removal.restore_account("acme", ANNA) == second


async def test_the_account_that_is_due_first_is_purged_first_and_forgotten(removal):
    await removal.remove_account("acme", ANNA, timedelta(days=2))
    await removal.remove_account("acme", "bert@example.org", timedelta(days=1))
    removed = removal.removed
    assert await removed.entry_due(now_utc()) is None
    later = now_utc() + timedelta(days=3)
    due = await removed.entry_due(later)
    assert str(due.address) == "bert@example.org"
    await removed.forget(due)
    assert str((await removed.entry_due(later)).address) == ANNA
    assert not await removed.begin_purge(due)


async def test_two_removals_of_one_account_at_once_remove_it_once(example, removal, store):
    results = await asyncio.gather(
        *(removal.remove_account("acme", ANNA, MONTH) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(each, NotFound) or each.id == results[0].id for each in results)
    assert (await count(store))["removed_accounts"] == 1
    changes = await store.collection("access_changes").count_documents({"action": "removed"})
    assert changes == 1


async def test_uses_are_named_up_to_five_and_the_others_are_mentioned(example, removal):
    for number in range(7):
        await example.add_alias("acme", f"a{number}@example.org", [ANNA])
    with pytest.raises(InUse, match=r"alias a4@example.org, and others; change these first"):
        await removal.remove_account("acme", ANNA, MONTH)


async def test_a_domain_of_many_accounts_and_aliases_is_removed_whole(example, removal, store):
    accounts = [
        {
            "_id": ObjectId(),
            "tenant": "acme",
            "key": f"u{number}@example.org",
            "address": f"u{number}@example.org",
            "status": "active",
            "password": "x",
        }
        for number in range(120)
    ]
    await store.collection("accounts").insert_many(accounts)
    owned = [{"_id": row["key"], "tenant": "acme", "account": row["_id"]} for row in accounts]
    aliases = [
        {
            "_id": f"a{number}@example.org",
            "tenant": "acme",
            "address": f"a{number}@example.org",
            "targets": [ANNA],
        }
        for number in range(120)
    ]
    await store.collection("addresses").insert_many([*owned, *aliases])
    await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert await count(store) == {
        "tenants": 2,
        "domains": 1,
        "accounts": 1,
        "addresses": 1,
        "removed_accounts": 122,
    }


async def test_a_domain_whose_name_ends_like_another_one_takes_only_its_own_addresses(example, removal):
    await example.add_domain("acme", "sub.example.org")
    await example.add_domain("acme", "examplexorg.test")
    await example.add_account("acme", "eve@sub.example.org", "long enough")
    await removal.remove_domain("acme", "example.org", MONTH, with_accounts=True)
    assert [str(each.address) for each in await example.accounts.list("acme")] == ["eve@sub.example.org"]
