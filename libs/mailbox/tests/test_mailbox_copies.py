"""COPY and MOVE of many messages: in order, with the keywords that there is room for, a few long rows at a time."""

from dataclasses import replace

import pytest
from bson import ObjectId
from mailbox_builders import message
from pymongo import AsyncMongoClient
from test_mailbox_states import Finds

from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import Mailbox
from mailyard.store.client import Store

ACCOUNT = ObjectId()


@pytest.fixture
async def inbox(store: Store) -> Mailbox:
    """An INBOX with 230 messages, each with an envelope and keywords of its own."""
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    inbox = await Mailboxes(store).get(ACCOUNT, "INBOX")
    messages = [
        replace(
            message(ACCOUNT, flags=["\\Seen", f"K{number % 7}"] if number % 2 else [f"k{number % 7}"]),
            envelope=b"(%d)" % number,
        )
        for number in range(1, 231)
    ]
    await insert_messages(store, [Insertion(inbox.id, each) for each in messages])
    return await Mailboxes(store).by_id(ACCOUNT, inbox.id)


async def target_of(store: Store, name: str) -> Mailbox:
    return await Mailboxes(store).get(ACCOUNT, name)


@pytest.mark.parametrize("count", [99, 100, 230])
async def test_copies_are_the_same_messages_in_the_same_order(
    store: Store, inbox: Mailbox, count: int
) -> None:
    repository, uids = Messages(store), list(range(count, 0, -1))
    for round_ in range(2):
        result = await repository.copy(inbox, uids, await target_of(store, "Archive"))
        assert result.source_uids == tuple(range(1, count + 1))
        assert result.target_uids == tuple(range(round_ * count + 1, round_ * count + count + 1))
    archive = await target_of(store, "Archive")
    seen = count // 2 + count % 2
    assert (archive.total, archive.unseen, archive.octets) == (2 * count, 2 * (count - seen), 200 * count)
    fields = {"envelope", "flags", "prefix"}
    copies = [each async for each in repository.fetch(archive, list(range(1, count + 1)), fields)]
    originals = [each async for each in repository.fetch(inbox, list(range(1, count + 1)), fields)]
    assert [(each.envelope, each.flags, each.prefix) for each in copies] == [
        (each.envelope, each.flags, each.prefix) for each in originals
    ]


async def test_of_keywords_only_those_with_room_are_copied_or_moved(store: Store, inbox: Mailbox) -> None:
    repository = Messages(store)
    await repository.copy(
        inbox, [1, 2, 3, 4], await target_of(store, "Archive"), keywords=frozenset({"K1", "k4"})
    )
    archive = await target_of(store, "Archive")
    copies = [each.flags async for each in repository.fetch(archive, [1, 2, 3, 4], {"flags"})]
    assert copies == [{"\\Seen", "K1"}, frozenset(), {"\\Seen"}, {"k4"}]
    result = await repository.move(
        inbox, list(range(1, 231)), await target_of(store, "Trash"), keywords=frozenset()
    )
    assert len(result.target_uids) == 230
    trash, left = await target_of(store, "Trash"), await Mailboxes(store).by_id(ACCOUNT, inbox.id)
    assert (trash.total, left.total, left.unseen, left.octets) == (230, 0, 0, 0)
    kept = {
        flag async for each in repository.fetch(trash, list(range(1, 231)), {"flags"}) for flag in each.flags
    }
    assert kept == {"\\Seen"}


async def test_whole_rows_are_read_a_hundred_at_a_time(mongo_url: str, store: Store, inbox: Mailbox) -> None:
    finds = Finds()
    watched = Store(mongo_url, store.db.name)
    watched._client = AsyncMongoClient(mongo_url, event_listeners=[finds])
    target = await target_of(store, "Archive")
    await Messages(watched).move(inbox, list(range(1, 231)), target)
    await watched.close()
    whole = [each for each in finds.commands if not each.get("projection")]
    assert [len(each["filter"]["uid"]["$in"]) for each in whole] == [100, 100, 30]
