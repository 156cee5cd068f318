"""Changes and threads of an account, over all of its mailboxes."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from bson import ObjectId
from mailbox_builders import message, open_store

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.accountreader import AccountReader
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.mailbox.rows import MESSAGES
from mailyard.store.client import Store

ACCOUNT, OTHER = ObjectId(), ObjectId()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, database) as store:
        for account in (ACCOUNT, OTHER):
            await Mailboxes(store).ensure_defaults(account)
        yield store


async def mailbox(store: Store, name: str, account: ObjectId = ACCOUNT) -> Mailbox:
    return await Mailboxes(store).get(account, name)


async def add(store: Store, name: str, *threads: str, account: ObjectId = ACCOUNT) -> None:
    target = (await mailbox(store, name, account)).id
    for thread in threads:
        new = replace(message(account), thread_id=thread)
        await insert_messages(store, [Insertion(target, new)])


async def test_only_mailboxes_that_have_changed_are_in_the_changes(store: Store) -> None:
    reader = AccountReader(store)
    await add(store, "INBOX", "a", "b")
    before = await reader.state(ACCOUNT)
    await add(store, "INBOX", "c")
    await add(store, "INBOX", "d", account=OTHER)
    sent = await mailbox(store, "Sent")
    await add(store, "Sent", "e")
    await Messages(store).store(await mailbox(store, "INBOX"), [1], FlagChange.ADD, frozenset({"\\Seen"}))
    changes = await reader.changes(ACCOUNT, before)
    inbox = await mailbox(store, "INBOX")
    assert set(changes.mailboxes) == {inbox.id, sent.id}
    assert [each.uid for each in changes.mailboxes[inbox.id].present] == [1, 3]
    assert [each.uid for each in changes.mailboxes[sent.id].present] == [1]
    assert changes.state == await reader.state(ACCOUNT)
    assert not changes.deleted
    again = await reader.changes(ACCOUNT, changes.state)
    assert (again.mailboxes, again.state) == ({}, changes.state)


async def test_everything_is_new_after_the_empty_state(store: Store) -> None:
    await add(store, "INBOX", "a", "b")
    inbox = await mailbox(store, "INBOX")
    changes = await AccountReader(store).changes(ACCOUNT, {})
    assert [each.uid for each in changes.mailboxes[inbox.id].present] == [1, 2]
    assert changes.state == await AccountReader(store).state(ACCOUNT)


async def test_expunged_messages_have_vanished_and_deleted_mailboxes_are_named(store: Store) -> None:
    await add(store, "INBOX", "a", "b")
    await add(store, "Archive", "c")
    reader, inbox = AccountReader(store), await mailbox(store, "INBOX")
    before, archive = await reader.state(ACCOUNT), await mailbox(store, "Archive")
    await Messages(store).store(inbox, [1], FlagChange.ADD, frozenset({"\\Deleted"}))
    await Messages(store).expunge(inbox, None)
    await Mailboxes(store).delete(ACCOUNT, "Archive")
    changes = await reader.changes(ACCOUNT, before)
    assert changes.mailboxes[inbox.id].vanished == (1,)
    assert changes.deleted == {archive.id}
    assert archive.id not in changes.state


async def test_a_thread_has_its_messages_of_all_mailboxes_and_of_one_account(store: Store) -> None:
    await add(store, "INBOX", "a", "b")
    await add(store, "Sent", "a")
    await add(store, "INBOX", "a", account=OTHER)
    inbox, sent = await mailbox(store, "INBOX"), await mailbox(store, "Sent")
    found = await AccountReader(store).threads(ACCOUNT, ["a", "unknown"])
    assert [(each.mailbox, each.uid) for each in found["a"]] == [(inbox.id, 1), (sent.id, 1)]
    assert found["unknown"] == ()


async def test_expunged_messages_and_those_of_deleted_mailboxes_are_in_no_thread(store: Store) -> None:
    await add(store, "INBOX", "a", "a")
    await add(store, "Archive", "a")
    inbox = await mailbox(store, "INBOX")
    await Messages(store).store(inbox, [1], FlagChange.ADD, frozenset({"\\Deleted"}))
    await Messages(store).expunge(inbox, None)
    await Mailboxes(store).delete(ACCOUNT, "Archive")
    found = await AccountReader(store).threads(ACCOUNT, ["a"])
    assert [(each.mailbox, each.uid) for each in found["a"]] == [(inbox.id, 2)]


async def test_threads_are_found_by_their_index(store: Store) -> None:
    await add(store, "INBOX", *("abcdefgh"))
    plan = (
        await store.collection(MESSAGES)
        .find({"account": ACCOUNT, "thread_id": {"$in": ["a"]}, "expunged": {"$exists": False}})
        .explain()
    )
    assert "account_thread" in str(plan["queryPlanner"]["winningPlan"])
