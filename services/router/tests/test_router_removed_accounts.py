"""The mail of removed accounts is deleted in portions, when its time is over and not before."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.removed import STRAGGLERS, RemovedAccounts
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.rows import ensure_schema
from mailyard.message.address import Address
from mailyard.router.removedaccounts import AccountPurge
from mailyard.store.client import Store
from mailyard.store.transaction import in_transaction

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
GONE, OTHER = ObjectId(), ObjectId()


class ClockOfTheTest:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store(mongo_url, database):
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    await ensure_schema(store)
    for account in (GONE, OTHER):
        await Mailboxes(store).ensure_defaults(account)
        await write_messages(store, account, 1_500)
    row = {
        "_id": GONE,
        "tenant": "acme",
        "key": "anna@acme.example",
        "address": "anna@acme.example",
        "account": {},
        "removed_at": NOW,
        "purge_at": NOW + MONTH,
        "until": NOW + MONTH,
    }
    await store.collection("removed_accounts").insert_one(row)
    yield store
    await store.close()


async def write_messages(store: Store, account: ObjectId, number: int) -> None:
    mailbox = ObjectId()
    rows = [
        {
            "_id": f"{account}-{mailbox}-{uid}",
            "account": account,
            "mailbox": mailbox,
            "uid": uid,
            "modseq": uid,
            "blob": ObjectId(),
        }
        for uid in range(number)
    ]
    await store.collection("messages").insert_many(rows)


async def left(store: Store, account: ObjectId) -> tuple[int, int]:
    messages = await store.collection("messages").count_documents({"account": account})
    return messages, await store.collection("mailboxes").count_documents({"account": account})


async def run(purge: AccountPurge) -> int:
    turns = 0
    while await purge.work():
        turns += 1
        assert turns < 20
    return turns


async def test_mail_is_kept_until_its_time_and_then_all_of_it_goes(store) -> None:
    clock = ClockOfTheTest()
    purge = AccountPurge(store, "router-1", clock=clock)
    before = await left(store, GONE)
    clock.now = NOW + MONTH - timedelta(seconds=1)
    assert await run(purge) == 0
    assert await left(store, GONE) == before == (1_500, 6)
    clock.now = NOW + MONTH
    assert await run(purge) == 3
    assert await left(store, GONE) == (0, 0)
    assert await left(store, OTHER) == before
    assert await store.collection("removed_accounts").count_documents({}) == 0
    assert await store.collection("body_checks").count_documents({}) == 1_500, "the sweep knows their bodies"
    assert [row["_id"] async for row in store.collection("mailbox_accounts").find()] == [OTHER]


async def test_mail_that_comes_late_from_the_queue_goes_too(store) -> None:
    clock = ClockOfTheTest()
    purge = AccountPurge(store, "router-1", clock=clock)
    await store.collection("removed_accounts").update_one(
        {"_id": GONE}, {"$set": {"purge_at": NOW, "until": NOW + STRAGGLERS}}
    )
    await run(purge)
    assert await left(store, GONE) == (0, 0)
    await write_messages(store, GONE, 3)
    clock.now = NOW + timedelta(days=1)
    await run(purge)
    assert await left(store, GONE) == (0, 0)
    assert await store.collection("removed_accounts").count_documents({}) == 1
    clock.now = NOW + STRAGGLERS
    await run(purge)
    assert await store.collection("removed_accounts").count_documents({}) == 0


async def test_one_router_at_a_time_works(store) -> None:
    clock = ClockOfTheTest()
    clock.now = NOW + MONTH
    first, second = (AccountPurge(store, name, clock=clock) for name in ("router-1", "router-2"))
    assert await first.work() is True
    assert await second.work() is False
    clock.now += timedelta(minutes=2)
    assert await second.work() is True


async def test_an_account_whose_deletion_has_begun_is_not_restored_by_a_clock_that_is_behind(store) -> None:
    clock = ClockOfTheTest()
    clock.now = NOW + MONTH
    assert await AccountPurge(store, "router-1", clock=clock).work() is True
    address = Address.parse("anna@acme.example")

    async def take(session):
        behind = NOW + MONTH - timedelta(seconds=5)
        return await RemovedAccounts(store).take("acme", address, behind, session)

    assert await in_transaction(store, take) is None


async def test_an_account_that_was_restored_just_before_its_deletion_keeps_its_mail(
    store, monkeypatch
) -> None:
    clock = ClockOfTheTest()
    clock.now = NOW + MONTH
    read = RemovedAccounts.entry_due

    async def restored_after(self, now):
        found = await read(self, now)
        await store.collection("removed_accounts").delete_many({})
        return found

    monkeypatch.setattr(RemovedAccounts, "entry_due", restored_after)
    assert await run(AccountPurge(store, "router-1", clock=clock)) == 1
    assert await left(store, GONE) == (1_500, 6)
