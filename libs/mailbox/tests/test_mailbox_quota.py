"""Quotas are kept by whoever stores a message, also when several writers come at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from mailbox_builders import fill, message, open_store

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.bulkinsertion import insert_in_batches
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.mailbox.quota import OverQuota, Usage, fits, usage_of
from mailyard.store.client import Store

ACCOUNT = ObjectId()
DELETED = frozenset({"\\Deleted"})


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, database) as store:
        await Mailboxes(store).ensure_defaults(ACCOUNT)
        yield store


async def mailbox(store: Store, name: str = "INBOX") -> Mailbox:
    return await Mailboxes(store).get(ACCOUNT, name)


async def used(store: Store) -> Usage:
    return (await usage_of(store, [ACCOUNT]))[ACCOUNT]


async def test_the_usage_counts_all_mailboxes_and_not_what_was_removed(store: Store) -> None:
    messages = Messages(store)
    inbox = await fill(store, await mailbox(store), 3)
    await fill(store, await mailbox(store, "Sent"), 2)
    assert await used(store) == Usage(500, 5)
    await messages.store(inbox, [1], FlagChange.ADD, DELETED)
    await messages.expunge(inbox, None)
    assert await used(store) == Usage(400, 4)
    await Mailboxes(store).delete(ACCOUNT, "Sent")
    assert await used(store) == Usage(200, 2)
    other = ObjectId()
    assert (await usage_of(store, [other]))[other] == Usage(0, 0)


async def test_append_and_copy_stop_at_the_quota_and_move_does_not(store: Store) -> None:
    messages = Messages(store)
    inbox, sent = await mailbox(store), await mailbox(store, "Sent")
    for _ in range(2):
        await messages.append(inbox, message(ACCOUNT), quota=250)
    with pytest.raises(OverQuota):
        await messages.append(inbox, message(ACCOUNT), quota=250)
    with pytest.raises(OverQuota):
        await messages.copy(inbox, [1], sent, quota=250)
    assert await used(store) == Usage(200, 2)
    assert (await messages.move(inbox, [1, 2], sent)).target_uids == (1, 2)
    await messages.append(inbox, message(ACCOUNT, size=50), quota=250)
    assert await used(store) == Usage(250, 3)


async def test_a_full_account_takes_no_mail_and_the_others_of_the_batch_do(store: Store) -> None:
    free = ObjectId()
    await Mailboxes(store).ensure_defaults(free)
    inbox, other = await mailbox(store), await Mailboxes(store).get(free, "INBOX")
    insertions = [
        Insertion(inbox.id, message(ACCOUNT, key="fits", size=200), "INBOX"),
        Insertion(other.id, message(free, key="other"), "INBOX"),
        Insertion(inbox.id, message(ACCOUNT, key="too large", size=101), "INBOX"),
        Insertion(inbox.id, message(ACCOUNT, key="fits as well", size=100), "INBOX"),
    ]
    result = await insert_in_batches(store, insertions, quotas={ACCOUNT: 300})
    assert set(result.inserted) == {"fits", "other", "fits as well"}
    assert result.over_quota == {"too large"}
    assert await used(store) == Usage(300, 2)


async def test_a_message_that_was_delivered_before_is_no_matter_of_the_quota(store: Store) -> None:
    inbox = await mailbox(store)
    old, new = message(ACCOUNT, key="old"), message(ACCOUNT, key="new")
    assert set(
        (await insert_in_batches(store, [Insertion(inbox.id, old)], quotas={ACCOUNT: 100})).inserted
    ) == {"old"}
    again = await insert_in_batches(store, [Insertion(inbox.id, old)], quotas={ACCOUNT: 100})
    assert (again.inserted, again.over_quota) == ({}, set())
    both = [Insertion(inbox.id, old), Insertion(inbox.id, new)]
    assert (await insert_in_batches(store, both, quotas={ACCOUNT: 199})).over_quota == {"new"}
    assert set((await insert_in_batches(store, both, quotas={ACCOUNT: 200})).inserted) == {"new"}
    assert await used(store) == Usage(200, 2)


async def test_an_account_over_its_lowered_quota_takes_nothing_and_loses_nothing(store: Store) -> None:
    await fill(store, await mailbox(store), 5)
    with pytest.raises(OverQuota) as caught:
        await insert_messages(
            store,
            [Insertion((await mailbox(store)).id, message(ACCOUNT, key="m", size=1), "INBOX")],
            quotas={ACCOUNT: 10},
        )
    assert caught.value.messages == {"m"}
    assert await used(store) == Usage(500, 5)


async def test_writers_of_different_mailboxes_do_not_pass_the_quota_together(
    mongo_url: str, store: Store
) -> None:
    targets = [await mailbox(store, name) for name in ("INBOX", "Sent", "Drafts", "Archive")]
    stores = [Store(mongo_url, store.db.name) for _ in targets]

    async def write(own: Store, target: Mailbox) -> int:
        refused = 0
        name = "INBOX" if target.name == "INBOX" else None
        for _ in range(10):
            try:
                await insert_messages(
                    own, [Insertion(target.id, message(ACCOUNT), name)], quotas={ACCOUNT: 1_550}
                )
            except OverQuota:
                refused += 1
        return refused

    refused = await asyncio.gather(*map(write, stores, targets))
    assert await used(store) == Usage(1_500, 15)
    assert sum(refused) == 40 - 15
    for own in stores:
        await own.close()


def test_a_message_fits_up_to_the_last_octet() -> None:
    assert fits(Usage(90), 100, 10)
    assert not fits(Usage(90), 100, 11)
    assert not fits(Usage(200), 100, 0)
    assert fits(Usage(1 << 60), None, 1 << 60)
