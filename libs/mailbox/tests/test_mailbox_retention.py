"""What is purged and when, what is noted for the sweep before, and what a crash between the two steps leaves."""

from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from mailbox_builders import ManualClock, fill, open_store
from pymongo.asynchronous.collection import AsyncCollection

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.mailbox.retention import blobs_in_mailboxes, purge_account, purge_expunged
from mailyard.store.client import Store

ACCOUNT, OTHER = ObjectId(), ObjectId()
DELETED = frozenset({"\\Deleted"})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, database) as store:
        for account in (ACCOUNT, OTHER):
            await Mailboxes(store).ensure_defaults(account)
        yield store


async def inbox_of(store: Store, account: ObjectId, count: int) -> Mailbox:
    return await fill(store, await Mailboxes(store).get(account, "INBOX"), count)


async def expunge(store: Store, clock: ManualClock, mailbox: Mailbox, uids: list[int]) -> None:
    messages = Messages(store, clock=clock)
    await messages.store(mailbox, uids, FlagChange.ADD, DELETED)
    assert await messages.expunge(mailbox, uids) == tuple(uids)


async def bodies(store: Store, **query: object) -> set[ObjectId]:
    return {row["blob"] async for row in store.collection("messages").find(query)}


async def noted(store: Store) -> set[ObjectId]:
    return {row["_id"] async for row in store.collection("body_checks").find({"_id": {"$type": "objectId"}})}


async def count(store: Store, collection: str, account: ObjectId) -> int:
    return await store.collection(collection).count_documents({"account": account})


# Expunged messages


async def test_a_message_is_purged_when_its_window_is_over_and_not_before(
    store: Store, clock: ManualClock
) -> None:
    inbox = await inbox_of(store, ACCOUNT, 4)
    await expunge(store, clock, inbox, [1])
    clock.move(60)
    await expunge(store, clock, inbox, [2, 3])
    assert await purge_expunged(store, clock(), 10) == 1
    assert await purge_expunged(store, clock(), 10) == 0
    clock.move(1)
    assert await purge_expunged(store, clock(), 10) == 2
    assert [row["uid"] async for row in store.collection("messages").find({"account": ACCOUNT})] == [4]


async def test_the_bodies_of_purged_messages_are_noted_and_no_others(
    store: Store, clock: ManualClock
) -> None:
    inbox = await inbox_of(store, ACCOUNT, 5)
    await expunge(store, clock, inbox, [2, 4])
    gone = await bodies(store, expunged=True)
    clock.move(1)
    assert await purge_expunged(store, clock(), 10, clock=clock) == 2
    assert await noted(store) == gone


async def test_the_limit_counts_expunged_messages_and_those_of_deleted_mailboxes_together(
    store: Store, clock: ManualClock
) -> None:
    inbox = await inbox_of(store, ACCOUNT, 3)
    await expunge(store, clock, inbox, [1, 2, 3])
    mailboxes = Mailboxes(store, clock=clock)
    for name in ("a", "b"):
        await fill(store, await mailboxes.create(ACCOUNT, name), 3)
        await mailboxes.delete(ACCOUNT, name)
        clock.move(1)
    clock.move(1)
    assert [await purge_expunged(store, clock(), 4) for _ in range(4)] == [4, 4, 1, 0]
    assert await count(store, "messages", ACCOUNT) == 0
    assert await count(store, "mailboxes_deleted", ACCOUNT) == 0


async def test_the_mailbox_that_was_deleted_first_is_purged_first(store: Store, clock: ManualClock) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    made = {name: await fill(store, await mailboxes.create(ACCOUNT, name), 2) for name in ("a", "b")}
    for name in ("b", "a"):
        await mailboxes.delete(ACCOUNT, name)
        clock.move(1)
    assert await purge_expunged(store, clock(), 2) == 2
    assert {row["mailbox"] async for row in store.collection("messages").find()} == {made["a"].id}


async def test_a_crash_after_the_bodies_were_noted_loses_no_body_and_no_message(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await inbox_of(store, ACCOUNT, 3)
    await expunge(store, clock, inbox, [1, 2])
    gone = await bodies(store, expunged=True)
    clock.move(1)

    async def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AsyncCollection, "delete_many", crash)
        with pytest.raises(KeyboardInterrupt):
            await purge_expunged(store, clock(), 10)
    assert await noted(store) == gone
    assert await count(store, "messages", ACCOUNT) == 3
    assert await purge_expunged(store, clock(), 10) == 2


async def test_bodies_count_as_needed_until_their_messages_are_purged(
    store: Store, clock: ManualClock
) -> None:
    inbox = await inbox_of(store, ACCOUNT, 3)
    every = await bodies(store)
    await expunge(store, clock, inbox, [1])
    expunged = await bodies(store, expunged=True)
    assert await blobs_in_mailboxes(store, [*every, ObjectId()]) == every
    clock.move(1)
    await purge_expunged(store, clock(), 10)
    assert await blobs_in_mailboxes(store, every) == every - expunged
    assert await blobs_in_mailboxes(store, []) == set()


# Removed accounts


async def test_an_account_is_purged_in_portions_and_its_mailboxes_go_last(store: Store) -> None:
    await inbox_of(store, ACCOUNT, 25)
    await inbox_of(store, OTHER, 3)
    gone = await bodies(store, account=ACCOUNT)
    assert [await purge_account(store, ACCOUNT, 10) for _ in range(3)] == [10, 10, 5]
    assert await count(store, "mailboxes", ACCOUNT) == 6
    assert [await purge_account(store, ACCOUNT, 10) for _ in range(2)] == [0, 0]
    assert await noted(store) == gone
    assert await count(store, "mailboxes", ACCOUNT) == 0
    assert await store.collection("mailbox_accounts").find_one({"_id": ACCOUNT}) is None
    assert (await count(store, "messages", OTHER), await count(store, "mailboxes", OTHER)) == (3, 6)
    assert await store.collection("mailbox_accounts").find_one({"_id": OTHER}) is not None


async def test_mail_that_arrives_during_a_purge_is_purged_too(store: Store) -> None:
    await inbox_of(store, ACCOUNT, 2)
    assert await purge_account(store, ACCOUNT, 10) == 2
    await inbox_of(store, ACCOUNT, 1)
    assert [await purge_account(store, ACCOUNT, 10) for _ in range(2)] == [1, 0]
    assert await count(store, "messages", ACCOUNT) == 0


async def test_a_mailbox_that_was_deleted_before_its_account_ends_with_its_window(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    await fill(store, await mailboxes.create(ACCOUNT, "a"), 2)
    await mailboxes.delete(ACCOUNT, "a")
    assert [await purge_account(store, ACCOUNT, 10) for _ in range(2)] == [2, 0]
    assert await count(store, "mailboxes_deleted", ACCOUNT) == 1
    clock.move(1)
    assert await purge_expunged(store, clock(), 10) == 0
    assert await count(store, "mailboxes_deleted", ACCOUNT) == 0
