"""Subscriptions, special uses, RENAME and DELETE of an account's mailboxes."""

import pytest
from bson import ObjectId
from mailbox_builders import ManualClock, fill, message, old_mailbox

from mailyard.mailbox import account, change
from mailyard.mailbox.errors import MailboxExists, MailboxLimitReached, MailboxNotFound, NotPermitted
from mailyard.mailbox.insertion import Insertion, MailboxGone, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import DEFAULTS
from mailyard.mailbox.retention import purge_expunged
from mailyard.store.client import Store

ACCOUNT = ObjectId()


@pytest.fixture
async def mailboxes(store: Store) -> Mailboxes:
    made = Mailboxes(store)
    await made.ensure_defaults(ACCOUNT)
    return made


async def names(mailboxes: Mailboxes) -> set[str]:
    return {each.name for each in await mailboxes.list(ACCOUNT)}


# Subscriptions


async def test_the_default_mailboxes_are_subscribed_and_created_ones_are_not(mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "a/b")
    assert await mailboxes.subscriptions(ACCOUNT) == set(DEFAULTS)


async def test_a_subscription_outlives_its_mailbox_until_it_is_ended(mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "x")
    await mailboxes.subscribe(ACCOUNT, "x", True)
    await mailboxes.delete(ACCOUNT, "x")
    assert "x" in await mailboxes.subscriptions(ACCOUNT)
    await mailboxes.subscribe(ACCOUNT, "x", False)
    assert "x" not in await mailboxes.subscriptions(ACCOUNT)
    await mailboxes.create(ACCOUNT, "x")
    assert "x" not in await mailboxes.subscriptions(ACCOUNT)


async def test_a_name_without_a_mailbox_cannot_be_subscribed_and_can_be_unsubscribed(
    mailboxes: Mailboxes,
) -> None:
    with pytest.raises(MailboxNotFound):
        await mailboxes.subscribe(ACCOUNT, "nowhere", True)
    await mailboxes.subscribe(ACCOUNT, "nowhere", False)
    await mailboxes.create(ACCOUNT, "a/b")
    await mailboxes.delete(ACCOUNT, "a")
    await mailboxes.subscribe(ACCOUNT, "a", True)
    assert "a" in await mailboxes.subscriptions(ACCOUNT)


async def test_a_renamed_mailbox_is_subscribed_under_both_names(mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "a/b")
    await mailboxes.subscribe(ACCOUNT, "a/b", True)
    await mailboxes.rename(ACCOUNT, "a", "z")
    assert await mailboxes.subscriptions(ACCOUNT) == {*DEFAULTS, "a/b", "z/b"}


async def test_subscriptions_of_version_0_2_are_taken_from_the_mailboxes(store: Store) -> None:
    await old_mailbox(store, ACCOUNT, "INBOX")
    await old_mailbox(store, ACCOUNT, "muted", subscribed=False)
    await old_mailbox(store, ACCOUNT, "x")
    mailboxes = Mailboxes(store)
    assert await mailboxes.subscriptions(ACCOUNT) == {"INBOX", "x"}
    await mailboxes.delete(ACCOUNT, "x")
    assert await mailboxes.subscriptions(ACCOUNT) == {"INBOX", "x"}


async def test_the_number_of_subscriptions_is_bounded(
    mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "MAX_SUBSCRIPTIONS", len(DEFAULTS))
    await mailboxes.create(ACCOUNT, "x")
    with pytest.raises(MailboxLimitReached):
        await mailboxes.subscribe(ACCOUNT, "x", True)
    await mailboxes.rename(ACCOUNT, "Sent", "y")
    assert await mailboxes.subscriptions(ACCOUNT) == set(DEFAULTS)
    assert account.MAX_SUBSCRIPTIONS * 1_003 < 16 * 1024 * 1024


async def test_the_number_of_mailboxes_is_bounded_with_those_above_a_name(
    mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "MAX_MAILBOXES", len(DEFAULTS) + 2)
    with pytest.raises(MailboxLimitReached):
        await mailboxes.create(ACCOUNT, "a/b/c")
    assert await names(mailboxes) == set(DEFAULTS)
    await mailboxes.create(ACCOUNT, "a/b")


# Special uses


@pytest.mark.parametrize("default", [name for name, use in DEFAULTS.items() if use])
async def test_a_renamed_special_use_mailbox_is_not_made_again(mailboxes: Mailboxes, default: str) -> None:
    await mailboxes.rename(ACCOUNT, default, "Mine")
    await mailboxes.ensure_defaults(ACCOUNT)
    found = {each.name: each.special_use for each in await mailboxes.list(ACCOUNT)}
    assert found == {(name if name != default else "Mine"): use for name, use in DEFAULTS.items()}


async def test_a_deleted_special_use_mailbox_stays_deleted(mailboxes: Mailboxes) -> None:
    await mailboxes.delete(ACCOUNT, "Trash")
    await mailboxes.ensure_defaults(ACCOUNT)
    assert await names(mailboxes) == set(DEFAULTS) - {"Trash"}


async def test_an_account_of_version_0_2_keeps_a_renamed_special_use_mailbox(store: Store) -> None:
    for name, use in DEFAULTS.items():
        fields = {"special_use": use} if use else {}
        await old_mailbox(store, ACCOUNT, "Entwürfe" if name == "Drafts" else name, **fields)
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    assert await names(Mailboxes(store)) == {*DEFAULTS, "Entwürfe"} - {"Drafts"}


async def test_a_special_use_mailbox_of_version_0_2_that_is_deleted_now_stays_deleted(store: Store) -> None:
    for name, use in DEFAULTS.items():
        await old_mailbox(store, ACCOUNT, name, **({"special_use": use} if use else {}))
    mailboxes = Mailboxes(store)
    await mailboxes.ensure_defaults(ACCOUNT)
    await mailboxes.delete(ACCOUNT, "Trash")
    await mailboxes.ensure_defaults(ACCOUNT)
    assert await names(mailboxes) == set(DEFAULTS) - {"Trash"}


async def test_a_mailbox_that_has_the_name_of_a_default_gets_its_special_use(store: Store) -> None:
    mailboxes = Mailboxes(store)
    await mailboxes.create(ACCOUNT, "Sent")
    await mailboxes.ensure_defaults(ACCOUNT)
    assert (await mailboxes.get(ACCOUNT, "Sent")).special_use == "\\Sent"


async def test_suspicious_mail_finds_junk_by_its_use_then_by_its_name_and_else_gets_a_new_one(
    mailboxes: Mailboxes,
) -> None:
    await mailboxes.rename(ACCOUNT, "Junk", "Spam")
    await mailboxes.create(ACCOUNT, "Junk")
    assert (await mailboxes.junk(ACCOUNT)).name == "Spam"
    await mailboxes.create(ACCOUNT, "Another", "\\Junk")
    assert (await mailboxes.junk(ACCOUNT)).name == "Spam"
    for name in ("Another", "Spam"):
        await mailboxes.delete(ACCOUNT, name)
    assert (await mailboxes.junk(ACCOUNT)).name == "Junk"
    await mailboxes.delete(ACCOUNT, "Junk")
    made = await mailboxes.junk(ACCOUNT)
    assert (made.name, made.special_use) == ("Junk", "\\Junk")


async def test_an_account_with_as_many_mailboxes_as_it_may_have_still_gets_those_that_mail_needs(
    mailboxes: Mailboxes, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mailboxes.delete(ACCOUNT, "Junk")
    await store.collection("mailboxes").delete_one({"account": ACCOUNT, "name": "INBOX"})
    monkeypatch.setattr(change, "MAX_MAILBOXES", len(DEFAULTS) - 2)
    assert (await mailboxes.junk(ACCOUNT)).name == "Junk"
    await mailboxes.ensure_defaults(ACCOUNT)
    assert await names(mailboxes) == set(DEFAULTS)


# RENAME


async def test_rename_of_inbox_leaves_its_children(store: Store, mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "INBOX/child")
    await fill(store, await mailboxes.get(ACCOUNT, "INBOX"), 2)
    await mailboxes.rename(ACCOUNT, "inbox", "INBOX/old")
    assert {"INBOX", "INBOX/child", "INBOX/old"} <= await names(mailboxes)
    assert (await mailboxes.get(ACCOUNT, "INBOX/old")).total == 2
    assert (await mailboxes.get(ACCOUNT, "INBOX")).total == 0


async def test_after_rename_of_inbox_its_old_row_takes_no_mail_that_is_for_inbox(
    store: Store, mailboxes: Mailboxes
) -> None:
    inbox = await mailboxes.get(ACCOUNT, "INBOX")
    sent = await mailboxes.get(ACCOUNT, "Sent")
    await mailboxes.rename(ACCOUNT, "INBOX", "old")
    for others in ([], [Insertion(sent.id, message(ACCOUNT))]):
        with pytest.raises(MailboxGone) as caught:
            await insert_messages(store, [Insertion(inbox.id, message(ACCOUNT), "INBOX"), *others])
        assert caught.value.mailboxes == {inbox.id}
    assert (await mailboxes.by_id(ACCOUNT, inbox.id)).total == 0
    assert (await mailboxes.by_id(ACCOUNT, sent.id)).total == 0


async def test_a_name_that_only_has_children_can_be_renamed(mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "a/b")
    await mailboxes.delete(ACCOUNT, "a")
    await mailboxes.rename(ACCOUNT, "a", "c")
    assert "c/b" in await names(mailboxes)
    with pytest.raises(MailboxNotFound):
        await mailboxes.rename(ACCOUNT, "a", "d")


async def test_a_tree_can_move_up_to_the_name_above_it(mailboxes: Mailboxes) -> None:
    await mailboxes.create(ACCOUNT, "a/b/b/b")
    await mailboxes.delete(ACCOUNT, "a")
    await mailboxes.rename(ACCOUNT, "a/b", "a")
    assert {name for name in await names(mailboxes) if name.startswith("a")} == {"a", "a/b", "a/b/b"}


async def test_rename_refuses_names_that_are_taken_inside_or_too_long(mailboxes: Mailboxes) -> None:
    for name in ("a/b", "c/b", "long/" + "n" * 900):
        await mailboxes.create(ACCOUNT, name)
    await mailboxes.delete(ACCOUNT, "c")
    before = await names(mailboxes)
    for old, new, error in (
        ("a", "c", MailboxExists),
        ("a", "inbox", MailboxExists),
        ("a", "a/x", NotPermitted),
        ("long", "l" * 200, NotPermitted),
    ):
        with pytest.raises(error):
            await mailboxes.rename(ACCOUNT, old, new)
    assert await names(mailboxes) == before


# DELETE


async def test_delete_writes_no_message_and_all_are_gone_at_once(store: Store, mailboxes: Mailboxes) -> None:
    filled = await fill(store, await mailboxes.create(ACCOUNT, "big"), 250)
    before = [row async for row in store.collection("messages").find().sort("_id")]
    await mailboxes.delete(ACCOUNT, "big")
    assert [row async for row in store.collection("messages").find().sort("_id")] == before
    with pytest.raises(MailboxNotFound):
        await Messages(store).changes(filled.id, ACCOUNT, 0)
    with pytest.raises(MailboxGone):
        await insert_messages(store, [Insertion(filled.id, message(ACCOUNT))])


async def test_a_deleted_mailbox_is_purged_in_portions_after_the_window(store: Store) -> None:
    clock = ManualClock()
    mailboxes = Mailboxes(store, clock=clock)
    kept = await fill(store, await mailboxes.create(ACCOUNT, "kept"), 5)
    await fill(store, await mailboxes.create(ACCOUNT, "big"), 25)
    await mailboxes.create(ACCOUNT, "empty")
    for name in ("big", "empty"):
        await mailboxes.delete(ACCOUNT, name)
    deleted_at = clock()
    assert await purge_expunged(store, deleted_at, 10) == 0
    clock.move(1)
    assert [await purge_expunged(store, clock(), 10) for _ in range(4)] == [10, 10, 5, 0]
    assert await store.collection("mailboxes_deleted").count_documents({}) == 0
    assert await store.collection("messages").count_documents({}) == kept.total
