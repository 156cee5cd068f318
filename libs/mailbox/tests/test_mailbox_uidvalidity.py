"""UIDVALIDITY of an account's mailboxes only grows (RFC 3501, section 2.3.1.1)."""

import asyncio

import pytest
from bson import ObjectId
from mailbox_builders import SECOND, ManualClock, fill, old_mailbox

from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.store.client import Store

ACCOUNT = ObjectId()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def values(mailboxes: Mailboxes) -> dict[str, int]:
    return {each.name: each.uid_validity for each in await mailboxes.list(ACCOUNT)}


async def test_every_mailbox_of_an_account_has_a_value_of_its_own(store: Store, clock: ManualClock) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    await mailboxes.ensure_defaults(ACCOUNT)
    await mailboxes.create(ACCOUNT, "a/b/c")
    given = await values(mailboxes)
    assert sorted(given.values()) == list(range(SECOND, SECOND + 9))


async def test_a_mailbox_made_again_in_the_same_second_has_a_higher_value(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    first = await mailboxes.create(ACCOUNT, "x")
    await mailboxes.delete(ACCOUNT, "x")
    again = await mailboxes.create(ACCOUNT, "x")
    assert again.uid_validity > first.uid_validity


async def test_a_clock_that_steps_back_does_not_lower_the_value(store: Store, clock: ManualClock) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    first = await mailboxes.create(ACCOUNT, "x")
    await mailboxes.delete(ACCOUNT, "x")
    clock.move(-3600)
    assert (await mailboxes.create(ACCOUNT, "x")).uid_validity == first.uid_validity + 1
    clock.move(7200)
    assert (await mailboxes.create(ACCOUNT, "y")).uid_validity == SECOND + 3600


async def test_rename_onto_a_name_that_was_used_gives_a_higher_value_than_it_ever_had(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    await mailboxes.create(ACCOUNT, "older")
    before = await mailboxes.create(ACCOUNT, "newer")
    await mailboxes.delete(ACCOUNT, "newer")
    await mailboxes.rename(ACCOUNT, "older", "newer")
    assert (await mailboxes.get(ACCOUNT, "newer")).uid_validity > before.uid_validity


async def test_two_names_that_are_exchanged_have_new_values_with_all_their_children(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    for name in ("a/sub", "b/sub"):
        await mailboxes.create(ACCOUNT, name)
    before = await values(mailboxes)
    for old, new in (("a", "c"), ("b", "a"), ("c", "b")):
        await mailboxes.rename(ACCOUNT, old, new)
    after = await values(mailboxes)
    assert after.keys() == before.keys()
    assert min(after.values()) > max(before.values())


async def test_rename_of_inbox_gives_both_names_new_values(store: Store, clock: ManualClock) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    await mailboxes.ensure_defaults(ACCOUNT)
    before = await values(mailboxes)
    await mailboxes.rename(ACCOUNT, "INBOX", "old")
    after = await values(mailboxes)
    assert after["old"] != after["INBOX"]
    assert min(after["old"], after["INBOX"]) > max(before.values())


async def test_mailboxes_of_version_0_2_keep_their_value_and_new_ones_are_above_all_of_them(
    store: Store, clock: ManualClock
) -> None:
    for name in ("INBOX", "Sent"):
        await old_mailbox(store, ACCOUNT, name, uid_validity=SECOND + 500)
    mailboxes = Mailboxes(store, clock=clock)
    await mailboxes.ensure_defaults(ACCOUNT)
    given = await values(mailboxes)
    assert given["INBOX"] == given["Sent"] == SECOND + 500
    assert sorted(value for name, value in given.items() if name not in {"INBOX", "Sent"}) == list(
        range(SECOND + 501, SECOND + 505)
    )


async def test_a_value_of_a_deleted_mailbox_of_version_0_2_is_remembered(
    store: Store, clock: ManualClock
) -> None:
    await old_mailbox(store, ACCOUNT, "x", uid_validity=SECOND + 500)
    mailboxes = Mailboxes(store, clock=clock)
    await mailboxes.delete(ACCOUNT, "x")
    assert (await mailboxes.create(ACCOUNT, "x")).uid_validity == SECOND + 501


async def test_a_restored_account_row_that_is_older_than_the_mailboxes_does_no_harm(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    for name in "abc":
        await mailboxes.create(ACCOUNT, name)
    await store.collection("mailbox_accounts").update_one({}, {"$set": {"uid_validity": 1}})
    assert (await mailboxes.create(ACCOUNT, "d")).uid_validity == SECOND + 3


async def test_processes_that_create_at_the_same_time_never_give_one_value_twice(
    mongo_url: str, store: Store, clock: ManualClock
) -> None:
    stores = [Store(mongo_url, store.db.name) for _ in range(4)]
    await asyncio.gather(
        *(
            Mailboxes(own, clock=clock).create(ACCOUNT, f"{number}-{round_}")
            for number, own in enumerate(stores)
            for round_ in range(5)
        )
    )
    given = await values(Mailboxes(store))
    assert sorted(given.values()) == list(range(SECOND, SECOND + 20))
    for own in stores:
        await own.close()


async def test_a_name_that_several_processes_create_at_once_is_created_once(
    mongo_url: str, store: Store
) -> None:
    stores = [Store(mongo_url, store.db.name) for _ in range(4)]
    await asyncio.gather(*(Mailboxes(own).ensure_defaults(ACCOUNT) for own in stores))
    assert len(await values(Mailboxes(store))) == len(set((await values(Mailboxes(store))).values())) == 6
    results = await asyncio.gather(
        *(Mailboxes(own).create(ACCOUNT, "a/x") for own in stores), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["Mailbox"] + ["MailboxExists"] * 3
    assert len(await values(Mailboxes(store))) == 8
    for own in stores:
        await own.close()


async def test_messages_keep_their_uids_when_their_mailbox_is_renamed(
    store: Store, clock: ManualClock
) -> None:
    mailboxes = Mailboxes(store, clock=clock)
    filled = await fill(store, await mailboxes.create(ACCOUNT, "a"), 3)
    await mailboxes.rename(ACCOUNT, "a", "b")
    renamed = await mailboxes.get(ACCOUNT, "b")
    assert (renamed.id, renamed.uid_next, renamed.total) == (filled.id, 4, 3)
