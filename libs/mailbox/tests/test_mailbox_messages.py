"""Mailboxes and messages as IMAP uses them."""

from collections.abc import AsyncIterator

import pytest
from bson import ObjectId

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.errors import MailboxExists, MailboxNotFound, NotPermitted
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages, changed
from mailyard.mailbox.model import Mailbox, NewMessage
from mailyard.mailbox.rows import ensure_schema
from mailyard.mailbox.threads import thread_id
from mailyard.runtime.clock import now_utc
from mailyard.store.client import Store

ACCOUNT = ObjectId()


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_schema(store)
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    yield store
    await store.close()


async def filled(store: Store, *flags: frozenset[str]) -> Mailbox:
    inbox = await Mailboxes(store).get(ACCOUNT, "inbox")
    for number, each in enumerate(flags):
        new = NewMessage(
            id=f"m{number}",
            account=ACCOUNT,
            prefix=b"",
            blob_id=ObjectId(),
            size=10,
            internal_date=now_utc(),
            envelope=b"e%d" % number,
            bodystructure=b"s",
            imap_body=b"b",
            header_index=b"h",
            part_index=b"p",
            flags=each,
        )
        await insert_messages(store, [Insertion(inbox.id, new)])
    return await fresh(store, inbox)


async def fresh(store: Store, mailbox: Mailbox) -> Mailbox:
    return await Mailboxes(store).by_id(mailbox.account, mailbox.id)


SEEN, DELETED = frozenset({"\\Seen"}), frozenset({"\\Deleted"})
NONE: frozenset[str] = frozenset()


async def test_defaults_are_made_once_with_their_special_uses(store: Store) -> None:
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    found = {mailbox.name: mailbox.special_use for mailbox in await Mailboxes(store).list(ACCOUNT)}
    assert found == {
        "Archive": "\\Archive",
        "Drafts": "\\Drafts",
        "INBOX": None,
        "Junk": "\\Junk",
        "Sent": "\\Sent",
        "Trash": "\\Trash",
    }


async def test_a_mailbox_is_made_with_those_above_it(store: Store) -> None:
    mailboxes = Mailboxes(store)
    await mailboxes.create(ACCOUNT, "a/b/c")
    assert {"a", "a/b", "a/b/c"} <= {mailbox.name for mailbox in await mailboxes.list(ACCOUNT)}
    with pytest.raises(MailboxExists):
        await mailboxes.create(ACCOUNT, "a/b")
    for bad in ("", "a//b", "x\x00y", "y" * 1001, "INBOX"):
        with pytest.raises((NotPermitted, MailboxExists)):
            await mailboxes.create(ACCOUNT, bad)


async def test_renaming_takes_the_children_along(store: Store) -> None:
    mailboxes = Mailboxes(store)
    await mailboxes.create(ACCOUNT, "a/b")
    await mailboxes.rename(ACCOUNT, "a", "x/y")
    names = {mailbox.name for mailbox in await mailboxes.list(ACCOUNT)}
    assert {"x", "x/y", "x/y/b"} <= names
    assert not names & {"a", "a/b"}
    with pytest.raises(MailboxExists):
        await mailboxes.rename(ACCOUNT, "x/y", "Sent")
    with pytest.raises(NotPermitted):
        await mailboxes.rename(ACCOUNT, "x", "x/z")


async def test_renaming_inbox_moves_its_messages_and_leaves_an_empty_inbox(store: Store) -> None:
    inbox = await filled(store, NONE, SEEN)
    await Mailboxes(store).rename(ACCOUNT, "INBOX", "old")
    moved = await Mailboxes(store).get(ACCOUNT, "old")
    assert (moved.id, moved.total) == (inbox.id, 2)
    again = await Mailboxes(store).get(ACCOUNT, "INBOX")
    assert again.total == 0
    assert again.uid_validity > inbox.uid_validity


async def test_another_account_finds_nothing(store: Store) -> None:
    inbox = await filled(store, NONE)
    mailboxes = Mailboxes(store)
    with pytest.raises(MailboxNotFound):
        await mailboxes.by_id(ObjectId(), inbox.id)
    with pytest.raises(MailboxNotFound):
        await mailboxes.delete(ObjectId(), "Sent")
    assert await mailboxes.list(ObjectId()) == []


async def test_a_deleted_mailbox_is_gone_and_inbox_cannot_be(store: Store) -> None:
    mailboxes = Mailboxes(store)
    await mailboxes.delete(ACCOUNT, "Sent")
    with pytest.raises(MailboxNotFound):
        await mailboxes.get(ACCOUNT, "Sent")
    with pytest.raises(NotPermitted):
        await mailboxes.delete(ACCOUNT, "inbox")


async def test_recent_belongs_to_one_session(store: Store) -> None:
    inbox = await filled(store, NONE, NONE)
    mailboxes = Mailboxes(store)
    assert await mailboxes.claim_recent(inbox) == 1
    assert await mailboxes.claim_recent(inbox) == 3


async def test_flags_change_and_only_real_changes_raise_the_modseq(store: Store) -> None:
    inbox = await filled(store, NONE, SEEN)
    repository = Messages(store)
    result = await repository.store(inbox, [1, 2, 99], FlagChange.ADD, SEEN)
    assert [(state.uid, state.flags) for state in result.changed] == [(1, SEEN), (2, SEEN)]
    assert result.changed[0].modseq > inbox.highest_modseq
    assert result.changed[1].modseq <= inbox.highest_modseq
    after = await fresh(store, inbox)
    assert after.unseen == 0
    await repository.store(inbox, [1, 2], FlagChange.ADD, SEEN)
    assert (await fresh(store, inbox)).highest_modseq == after.highest_modseq


async def test_what_changed_since_is_kept_back(store: Store) -> None:
    inbox = await filled(store, NONE, NONE)
    repository = Messages(store)
    await repository.store(inbox, [1], FlagChange.ADD, frozenset({"x"}))
    result = await repository.store(
        inbox, [1, 2], FlagChange.REPLACE, SEEN, unchanged_since=inbox.highest_modseq
    )
    assert result.modified == (1,)
    assert [state.uid for state in result.changed] == [2]


async def test_expunge_removes_what_is_deleted_and_tells_sessions(store: Store) -> None:
    inbox = await filled(store, DELETED, NONE, DELETED)
    repository = Messages(store)
    assert await repository.expunge(inbox, [1, 2]) == (1,)
    changes = await repository.changes(inbox.id, ACCOUNT, inbox.highest_modseq)
    assert (changes.vanished, list(changes.present)) == ((1,), [])
    assert await repository.expunge(inbox, None) == (3,)
    after = await fresh(store, inbox)
    assert (after.total, after.unseen, after.octets, after.uid_next) == (1, 1, 10, 4)


async def test_copies_keep_flags_and_get_uids_of_their_own(store: Store) -> None:
    inbox = await filled(store, SEEN, NONE)
    repository, mailboxes = Messages(store), Mailboxes(store)
    sent = await mailboxes.get(ACCOUNT, "Sent")
    result = await repository.copy(inbox, [1, 2, 7], sent)
    assert (result.source_uids, result.target_uids) == ((1, 2), (1, 2))
    sent = await fresh(store, sent)
    assert [state.flags for state in await repository.flag_states(sent)] == [SEEN, NONE]
    assert (sent.total, sent.unseen) == (2, 1)
    moved = await repository.move(inbox, [2], sent)
    assert moved.target_uids == (3,)
    assert [state.uid for state in await repository.flag_states(await fresh(store, inbox))] == [1]


async def test_a_copy_into_a_mailbox_that_is_gone_does_nothing(store: Store) -> None:
    inbox = await filled(store, NONE)
    sent = await Mailboxes(store).get(ACCOUNT, "Sent")
    await Mailboxes(store).delete(ACCOUNT, "Sent")
    for attempt in (Messages(store).copy, Messages(store).move):
        with pytest.raises(MailboxNotFound):
            await attempt(inbox, [1], sent)
    assert (await fresh(store, inbox)).total == 1


async def test_fetch_loads_what_is_asked_in_uid_order_and_leaves_out_what_is_gone(store: Store) -> None:
    inbox = await filled(store, NONE, DELETED, NONE)
    repository = Messages(store)
    await repository.expunge(inbox, None)
    found = [each async for each in repository.fetch(inbox, [1, 2, 3], {"envelope"})]
    assert [(each.uid, each.envelope, each.bodystructure) for each in found] == [
        (1, b"e0", b""),
        (3, b"e2", b""),
    ]


async def test_appending_the_same_message_again_finds_it(store: Store) -> None:
    inbox = await filled(store, NONE)
    [row] = [each async for each in store.collection("messages").find({})]
    again = NewMessage(row["_id"], ACCOUNT, b"", ObjectId(), 1, now_utc(), b"", b"", b"", b"", b"")
    assert (await Messages(store).append(inbox, again)).uid == 1


@pytest.mark.parametrize(
    ("change", "after"),
    [(FlagChange.REPLACE, {"b"}), (FlagChange.ADD, {"a", "b"}), (FlagChange.REMOVE, {"a"})],
)
def test_flag_changes(change: FlagChange, after: set[str]) -> None:
    old = frozenset("a") if change is not FlagChange.REMOVE else frozenset("ab")
    assert changed(old, change, frozenset("b")) == after


def test_a_thread_is_named_by_its_first_message() -> None:
    root = thread_id("<1@x>", "", ())
    assert thread_id("<2@x>", "<1@x>", ()) == root
    assert thread_id("<3@x>", "<2@x>", ("<1@x>", "<2@x>")) == root
    assert thread_id("", "", ()) == ""


async def test_messages_from_a_uid_on_are_counted_below_the_snapshot(store: Store) -> None:
    mailbox = await filled(store, NONE, DELETED, NONE)
    assert mailbox.recent_from == 1
    await Mailboxes(store).claim_recent(mailbox)
    claimed = await fresh(store, mailbox)
    assert claimed.recent_from == 4
    await Messages(store).expunge(mailbox, None)
    assert await Messages(store).count_from(claimed, 2) == 1
