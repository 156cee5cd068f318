"""Visibility: several writers and readers of the same mailboxes, and no UID or modseq ever appears late."""

import asyncio
import random

import pytest
from bson import ObjectId
from mailbox_builders import message

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.insertion import Insertion, MailboxGone, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.store.client import Store


async def prepared(store: Store, count: int) -> list[Mailbox]:
    mailboxes = Mailboxes(store)
    made = []
    for _ in range(count):
        account = ObjectId()
        await mailboxes.ensure_defaults(account)
        made.append(await mailboxes.get(account, "INBOX"))
    return made


async def test_no_reader_ever_sees_a_message_below_one_that_it_has_seen(mongo_url: str, store: Store) -> None:
    inboxes = await prepared(store, 3)
    stores = [Store(mongo_url, store.db.name) for _ in range(4)]
    writing = 3

    async def deliver(own: Store) -> None:
        nonlocal writing
        for _ in range(25):
            chosen = random.choices(inboxes, k=random.randint(1, 6))
            await insert_messages(own, [Insertion(inbox.id, message(inbox.account)) for inbox in chosen])
        writing -= 1

    async def change(own: Store) -> None:
        repository = Messages(own)
        while writing:
            inbox = random.choice(inboxes)
            snapshot = await Mailboxes(own).by_id(inbox.account, inbox.id)
            uids = [state.uid for state in await repository.flag_states(snapshot)][-5:]
            match random.randrange(4):
                case 0:
                    await repository.store(snapshot, uids, FlagChange.ADD, frozenset({random.choice("abc")}))
                case 1:
                    await repository.append(snapshot, message(inbox.account))
                case 2:
                    await repository.copy(
                        snapshot,
                        uids[:2],
                        random.choice([each for each in inboxes if each.account == inbox.account]),
                    )
                case 3:
                    await repository.store(snapshot, uids[:1], FlagChange.ADD, frozenset({"\\Deleted"}))
                    await repository.expunge(snapshot, None)

    async def watch(own: Store, inbox: Mailbox) -> int:
        """Follow a mailbox as a session does; fail when something turns up below what was seen."""
        repository = Messages(own)
        first = await Mailboxes(own).by_id(inbox.account, inbox.id)
        seen = {state.uid for state in await repository.flag_states(first)}
        modseq, highest = first.highest_modseq, first.uid_next - 1
        looks = 0
        while writing or looks == 0:
            changes = await repository.changes(inbox.id, inbox.account, modseq)
            assert changes.highest_modseq >= modseq
            new = {state.uid for state in changes.present} - seen
            assert all(uid > highest for uid in new), (new, highest)
            assert all(uid < changes.uid_next for uid in new)
            seen |= new
            modseq, highest = changes.highest_modseq, max(highest, changes.uid_next - 1)
            looks += 1
        final = await Mailboxes(own).by_id(inbox.account, inbox.id)
        changes = await repository.changes(inbox.id, inbox.account, modseq)
        seen |= {state.uid for state in changes.present}
        present = {state.uid for state in await repository.flag_states(final)}
        assert present <= seen, "a message was never shown"
        return looks

    looks = await asyncio.gather(
        *(deliver(own) for own in stores[:3]),
        change(stores[3]),
        change(stores[3]),
        *(watch(store, inbox) for inbox in inboxes),
    )
    assert all(count > 5 for count in looks[5:])
    for inbox in inboxes:
        final = await Mailboxes(store).by_id(inbox.account, inbox.id)
        states = await Messages(store).flag_states(final)
        assert final.total == len(states)
        assert final.unseen == len(states)
        assert final.octets == 100 * len(states)
    for own in stores:
        await own.close()


async def test_uids_grow_by_one_without_gaps_when_writers_meet(store: Store) -> None:
    [inbox] = await prepared(store, 1)
    batches = [[Insertion(inbox.id, message(inbox.account)) for _ in range(3)] for _ in range(12)]
    results = await asyncio.gather(*(insert_messages(store, batch) for batch in batches))
    uids = sorted(inserted.uid for result in results for inserted in result.values())
    assert uids == list(range(1, 37))


async def test_a_message_that_is_there_already_is_left_and_the_others_are_inserted(store: Store) -> None:
    [inbox] = await prepared(store, 1)
    first, second = message(inbox.account, key="key 1"), message(inbox.account, key="key 2")
    assert set(await insert_messages(store, [Insertion(inbox.id, first)])) == {"key 1"}
    assert set(await insert_messages(store, [Insertion(inbox.id, first), Insertion(inbox.id, second)])) == {
        "key 2"
    }
    assert await insert_messages(store, [Insertion(inbox.id, first)]) == {}
    final = await Mailboxes(store).by_id(inbox.account, inbox.id)
    assert (final.total, final.uid_next) == (2, 3)


async def test_a_message_that_is_given_twice_at_once_is_inserted_once(store: Store) -> None:
    [inbox] = await prepared(store, 1)
    twice = [Insertion(inbox.id, message(inbox.account, key="key")) for _ in range(2)]
    assert (await insert_messages(store, twice))["key"].uid == 1
    assert (await Mailboxes(store).by_id(inbox.account, inbox.id)).total == 1


async def test_a_uid_that_is_taken_is_a_lost_race_and_no_delivery(store: Store) -> None:
    [inbox] = await prepared(store, 1)
    await insert_messages(store, [Insertion(inbox.id, message(inbox.account)) for _ in range(3)])
    # As after a restore of the mailbox row from an older copy.
    await store.collection("mailboxes").update_one({"_id": inbox.id}, {"$set": {"uid_next": 1}})
    inserted = await insert_messages(store, [Insertion(inbox.id, message(inbox.account, key="late"))])
    assert inserted["late"].uid == 4


async def test_nothing_is_inserted_when_one_mailbox_is_gone(store: Store) -> None:
    inboxes = await prepared(store, 2)
    await store.collection("mailboxes").delete_one({"_id": inboxes[0].id})
    with pytest.raises(MailboxGone) as caught:
        await insert_messages(store, [Insertion(inbox.id, message(inbox.account)) for inbox in inboxes])
    assert caught.value.mailboxes == {inboxes[0].id}
    assert (await Mailboxes(store).by_id(inboxes[1].account, inboxes[1].id)).total == 0
