"""Rows of earlier versions: understood as they are, and brought up to date by setup."""

from datetime import timedelta

from mailyard.directory.plan import Counts
from mailyard.directory.provisioning import Provisioning
from mailyard.directory.removal import Removal
from mailyard.directory.rowupgrade import upgrade_rows
from mailyard.directory.suspension import Suspension
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store


async def as_of_before(store: Store) -> None:
    """Remove what earlier versions did not write."""
    await store.collection("tenants").update_many({}, {"$unset": {"used": "", "kind": ""}})
    for name in ("accounts", "addresses"):
        await store.collection(name).update_many({}, {"$unset": {"domain": ""}})


async def test_rows_without_a_domain_are_found_by_their_domain(store: Store, example: Provisioning) -> None:
    await example.add_alias("acme", '"a@b"@example.org', ["anna@example.org"])
    await example.add_domain("acme", "sub.example.org")
    await example.add_account("acme", "dora@sub.example.org", "long enough")
    await as_of_before(store)
    await example.add_account("acme", "emil@example.org", "long enough")
    accounts = await example.accounts.list_portion("acme", "example.org", 10)
    assert sorted(each.address.local for each in accounts) == ["anna", "bert", "emil"]
    listed = await example.addresses.list_of_domain("acme", "example.org", 0)
    assert sorted(listed) == ["a@b@example.org", "anna@example.org", "bert@example.org", "emil@example.org"]
    removal = Removal(store, example, Suspension(store, example, now_utc), now_utc)
    await removal.remove_domain("acme", "sub.example.org", timedelta(0), with_accounts=True)
    assert len(await example.accounts.list("acme")) == 3


async def test_setup_adds_domains_and_counts_and_a_repetition_changes_nothing(
    store: Store, example: Provisioning
) -> None:
    await example.add_alias("acme", '"a@b"@example.org', ["anna@example.org"])
    await as_of_before(store)
    for _ in range(2):
        await upgrade_rows(store)
        rows = await store.collection("addresses").find({}, {"domain": True}).to_list()
        assert {row["_id"]: row["domain"] for row in rows} == {
            "anna@example.org": "example.org",
            "bert@example.org": "example.org",
            "a@b@example.org": "example.org",
            "carl@other.net": "other.net",
        }
        assert await store.collection("accounts").count_documents({"domain": None}) == 0
        counted = await example.tenants.counted("acme")
        assert counted is not None
        assert counted.used == Counts(1, 2, 0)


async def test_an_account_that_an_earlier_version_removed_is_restored_with_its_domain(
    store: Store, example: Provisioning
) -> None:
    removal = Removal(store, example, Suspension(store, example, now_utc), now_utc)
    await removal.remove_account("acme", "bert@example.org", None)
    await store.collection("removed_accounts").update_many({}, {"$unset": {"account.domain": ""}})
    await removal.restore_account("acme", "bert@example.org")
    row = await store.collection("accounts").find_one({"key": "bert@example.org"})
    assert row is not None
    assert row["domain"] == "example.org"
