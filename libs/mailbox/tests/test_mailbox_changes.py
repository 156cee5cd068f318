"""The events of a change of messages, and what it does when its mailbox is gone or other writers are first."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from bson import ObjectId
from mailbox_builders import fill, message, open_store

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox import insertion
from mailyard.mailbox.accountreader import AccountReader
from mailyard.mailbox.bulkinsertion import InsertionResult, insert_in_batches
from mailyard.mailbox.errors import MailboxNotFound
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.mailbox.quota import Usage
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.runtime.errors import Unavailable
from mailyard.store.client import Store

ACCOUNT = ObjectId()
SEEN, DELETED = frozenset({"\\Seen"}), frozenset({"\\Deleted"})


class Published:
    """Keeps the events in the place of a broker."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []  # mailbox and origin

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        assert {event.account for event in events} == {str(ACCOUNT)}
        self.events += [(event.mailbox, event.origin) for event in events]


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    async with open_store(mongo_url, database) as store:
        await Mailboxes(store).ensure_defaults(ACCOUNT)
        yield store


@pytest.fixture
async def inbox(store: Store) -> Mailbox:
    return await fill(store, await Mailboxes(store).get(ACCOUNT, "INBOX"), 3)


@pytest.fixture
async def archive(store: Store) -> Mailbox:
    return await Mailboxes(store).get(ACCOUNT, "Archive")


async def test_each_change_names_its_mailboxes_and_its_origin(
    store: Store, inbox: Mailbox, archive: Mailbox
) -> None:
    published = Published()
    messages = Messages(store, published)  # type: ignore[arg-type]
    here, there = str(inbox.id), str(archive.id)
    for change, expected in (
        (messages.store(inbox, [1], FlagChange.ADD, DELETED, origin="s"), [(here, "s")]),
        (messages.copy(inbox, [2], archive, "c"), [(there, "c")]),
        (messages.move(inbox, [2], archive, "m"), [(here, "m"), (there, "m")]),
        (messages.append(inbox, message(ACCOUNT), "a"), [(here, "a")]),
        (messages.expunge(inbox, None, "e"), [(here, "e")]),
        (messages.expunge(inbox, None, "e"), []),
    ):
        published.events.clear()
        await change
        assert published.events == expected


async def test_a_change_of_a_deleted_mailbox_is_refused_and_publishes_nothing(
    store: Store, archive: Mailbox
) -> None:
    archive = await fill(store, archive, 2)
    published = Published()
    messages = Messages(store, published)  # type: ignore[arg-type]
    await Mailboxes(store).delete(ACCOUNT, "Archive")
    before = [row async for row in store.collection("messages").find().sort("_id")]
    for change in (
        messages.store(archive, [1], FlagChange.ADD, SEEN),
        messages.append(archive, message(ACCOUNT)),
        messages.changes(archive.id, ACCOUNT, 0),
    ):
        with pytest.raises(MailboxNotFound):
            await change
    assert [row async for row in store.collection("messages").find().sort("_id")] == before
    assert published.events == []


async def test_messages_of_a_deleted_mailbox_cannot_be_moved_out_of_it(
    store: Store, inbox: Mailbox, archive: Mailbox
) -> None:
    await Mailboxes(store).delete(ACCOUNT, "Archive")
    archive = await fill(store, await Mailboxes(store).create(ACCOUNT, "Archive"), 1)
    await Mailboxes(store).delete(ACCOUNT, "Archive")
    with pytest.raises(MailboxNotFound):
        await Messages(store).move(archive, [1], inbox)
    assert (await Mailboxes(store).by_id(ACCOUNT, inbox.id)).total == inbox.total


async def test_the_counters_follow_every_change(store: Store, inbox: Mailbox, archive: Mailbox) -> None:
    messages = Messages(store)
    await messages.store(inbox, [1, 2], FlagChange.ADD, SEEN)
    await messages.store(inbox, [2], FlagChange.REPLACE, DELETED)
    await messages.copy(inbox, [1, 2], archive)
    await messages.move(inbox, [3], archive)
    await messages.expunge(inbox, None)
    for mailbox, total, unseen in ((inbox, 1, 0), (archive, 3, 2)):
        now = await Mailboxes(store).by_id(ACCOUNT, mailbox.id)
        states = list(await messages.flag_states(now))
        assert (now.total, now.unseen, now.octets) == (total, unseen, 100 * total)
        assert (len(states), sum("\\Seen" not in state.flags for state in states)) == (total, unseen)
    assert await messages.usage(ACCOUNT) == Usage(400, 4)


async def test_results_are_in_the_order_of_uids_however_they_were_asked_for(
    store: Store, inbox: Mailbox
) -> None:
    messages = Messages(store)
    result = await messages.store(inbox, [3, 1, 2], FlagChange.ADD, DELETED)
    assert [state.uid for state in result.changed] == [1, 2, 3]
    assert len({state.modseq for state in result.changed}) == 1
    again = await messages.store(inbox, [2, 3, 1], FlagChange.ADD, SEEN, unchanged_since=inbox.highest_modseq)
    assert (again.changed, again.modified) == ((), (1, 2, 3))
    assert await messages.expunge(inbox, [3, 1]) == (1, 3)


async def test_flag_changes_that_meet_at_one_mailbox_lose_none(store: Store, inbox: Mailbox) -> None:
    messages = Messages(store)
    flags = [frozenset({f"k{number}"}) for number in range(8)]
    results = await asyncio.gather(*(messages.store(inbox, [1], FlagChange.ADD, each) for each in flags))
    modseqs = sorted(result.changed[0].modseq for result in results)
    assert modseqs == list(range(inbox.highest_modseq + 1, inbox.highest_modseq + 9))
    [state] = [each for each in await messages.flag_states(inbox) if each.uid == 1]
    assert state.flags == frozenset().union(*flags)


async def test_a_copy_of_nothing_is_empty_and_takes_no_uid(
    store: Store, inbox: Mailbox, archive: Mailbox
) -> None:
    result = await Messages(store).copy(inbox, [77], archive)
    assert (result.source_uids, result.target_uids) == ((), ())
    assert (await Mailboxes(store).by_id(ACCOUNT, archive.id)).uid_next == archive.uid_next


async def test_an_insertion_that_always_loses_the_race_for_its_uid_is_unavailable(
    store: Store, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave(*_: object) -> None:
        """The row of the mailbox stays as a restore has left it."""

    monkeypatch.setattr(insertion, "_raise_uid_next", leave)
    await store.collection("mailboxes").update_one({"_id": inbox.id}, {"$set": {"uid_next": 1}})
    with pytest.raises(Unavailable, match="the same UIDs"):
        await insert_messages(store, [Insertion(inbox.id, message(ACCOUNT))])
    assert await store.collection("messages").count_documents({"mailbox": inbox.id}) == inbox.total


async def test_more_messages_than_a_transaction_takes_are_inserted_in_their_order(
    store: Store, archive: Mailbox
) -> None:
    keys = [f"m{number:03}" for number in range(250)]
    result = await insert_in_batches(
        store, [Insertion(archive.id, message(ACCOUNT, key=key)) for key in keys]
    )
    assert [result.inserted[key].uid for key in keys] == list(range(1, 251))
    assert (result.over_quota, result.busy, result.gone) == (set(), set(), set())


def test_results_are_added_without_the_mailboxes_that_are_gone() -> None:
    gone = ObjectId()
    total = InsertionResult(over_quota={"a"}, gone={gone})
    total.add(InsertionResult(over_quota={"b"}, busy={"c"}, gone={ObjectId()}))
    assert (total.over_quota, total.busy, total.gone) == ({"a", "b"}, {"c"}, {gone})


async def test_a_mailbox_that_is_deleted_while_an_account_is_read_counts_as_deleted(
    store: Store, inbox: Mailbox, archive: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = AccountReader(store)
    before = await reader.state(ACCOUNT)
    await fill(store, archive, 1)
    list_all = Mailboxes.list

    async def list_then_delete(self: Mailboxes, account: ObjectId) -> list[Mailbox]:
        found = await list_all(self, account)
        monkeypatch.undo()
        await self.delete(account, "Archive")
        return found

    monkeypatch.setattr(Mailboxes, "list", list_then_delete)
    changes = await reader.changes(ACCOUNT, before)
    assert (changes.mailboxes, changes.deleted) == ({}, {archive.id})
    assert changes.state == await reader.state(ACCOUNT)
