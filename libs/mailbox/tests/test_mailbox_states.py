"""SELECT and the news of a session are answered from an index, and rows of version 0.2.0 are understood."""

import random

import pytest
from bson import ObjectId
from mailbox_builders import fill, message
from pymongo import AsyncMongoClient, monitoring

from mailyard.imap.wellknown import FlagChange
from mailyard.mailbox.flagtable import FlagTable
from mailyard.mailbox.insertion import Insertion, insert_messages
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.messages import Messages
from mailyard.mailbox.model import FlagState, Mailbox
from mailyard.mailbox.rows import ensure_schema
from mailyard.mailbox.statetext import expunged_text, flags_in, is_expunged, state_text
from mailyard.store.client import Row, Store

ACCOUNT = ObjectId()
SEEN, DELETED = frozenset({"\\Seen"}), frozenset({"\\Deleted"})


@pytest.fixture
async def inbox(store: Store) -> Mailbox:
    await Mailboxes(store).ensure_defaults(ACCOUNT)
    return await Mailboxes(store).get(ACCOUNT, "INBOX")


class Finds(monitoring.CommandListener):
    """Keeps the find commands on messages."""

    def __init__(self) -> None:
        self.commands: list[Row] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "find" and event.command["find"] == "messages":
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


async def plan(store: Store, command: Row) -> tuple[int, int, int]:
    """Return documents and keys that a find command examines, and how many it returns."""
    wanted = ("find", "filter", "projection", "sort", "limit")
    explained = await store.db.command(
        "explain", {key: command[key] for key in wanted if key in command}, verbosity="executionStats"
    )
    stats = explained["executionStats"]
    return stats["totalDocsExamined"], stats["totalKeysExamined"], stats["nReturned"]


async def test_select_and_news_examine_no_document(mongo_url: str, store: Store, inbox: Mailbox) -> None:
    messages = Messages(store)
    inbox = await fill(store, inbox, 300)
    await messages.store(inbox, list(range(1, 101)), FlagChange.ADD, DELETED)
    await messages.expunge(inbox, list(range(1, 51)))
    snapshot = await Mailboxes(store).by_id(ACCOUNT, inbox.id)
    finds = Finds()
    watched = Store(mongo_url, store.db.name)
    watched._client = AsyncMongoClient(mongo_url, event_listeners=[finds])
    table = await Messages(watched).flag_states(snapshot)
    changes = await Messages(watched).changes(inbox.id, ACCOUNT, 2)
    await watched.close()
    assert (len(table), len(list(changes.present)), len(changes.vanished)) == (250, 50, 50)
    [select, news] = [await plan(store, command) for command in finds.commands]
    assert select[0] == news[0] == 0, "documents were read"
    assert select[1] <= 2 * 250 + 100
    assert news[1] <= 2 * 100 + 100


async def test_every_change_is_in_the_states(store: Store, inbox: Mailbox) -> None:
    messages = Messages(store)
    inbox = await fill(store, inbox, 4)
    await messages.store(inbox, [1, 2], FlagChange.ADD, frozenset({"\\Seen", "$Label1"}))
    await messages.store(inbox, [2], FlagChange.REMOVE, SEEN)
    await messages.store(inbox, [3], FlagChange.REPLACE, DELETED)
    await messages.expunge(inbox, [3])
    sent = await Mailboxes(store).get(ACCOUNT, "Sent")
    await messages.copy(inbox, [1, 4], sent)
    for mailbox in (inbox, sent):
        now = await Mailboxes(store).by_id(ACCOUNT, mailbox.id)
        own = [
            FlagState(row["uid"], row["modseq"], frozenset(row["flags"]))
            async for row in store.collection("messages")
            .find({"mailbox": mailbox.id, "expunged": {"$exists": False}})
            .sort("uid")
        ]
        assert list(await messages.flag_states(now)) == own
    assert [(state.uid, set(state.flags)) for state in await messages.flag_states(now)] == [
        (1, {"\\Seen", "$Label1"}),
        (2, set()),
    ]


async def test_messages_of_version_0_2_are_found_and_repaired(store: Store, inbox: Mailbox) -> None:
    rows = store.collection("messages")
    inbox = await fill(store, inbox, 5)
    await rows.update_many({"uid": {"$lte": 3}}, {"$unset": {"state": ""}})  # as 0.2.0 wrote them
    # and as 0.2.0 changes and expunges a message that has a state
    await rows.update_one({"uid": 4}, {"$set": {"flags": ["\\Seen"], "modseq": 7}})
    await rows.update_one({"uid": 5}, {"$set": {"expunged": True, "modseq": 8}})
    await rows.update_one({"uid": 1}, {"$set": {"expunged": True, "modseq": 9}})
    await store.collection("mailboxes").update_one({"_id": inbox.id}, {"$set": {"modseq": 9}})
    snapshot = await Mailboxes(store).by_id(ACCOUNT, inbox.id)
    for _ in range(2):
        table = await Messages(store).flag_states(snapshot)
        assert [(state.uid, state.flags) for state in table] == [
            (2, frozenset()),
            (3, frozenset()),
            (4, SEEN),
        ]
    changes = await Messages(store).changes(inbox.id, ACCOUNT, 6)
    assert ([state.uid for state in changes.present], changes.vanished) == ([4], (1, 5))
    states = {row["uid"]: row.get("state") async for row in rows.find()}
    assert (states[2], states[4]) == ("+2", "+7 \\Seen")


async def test_a_message_whose_flags_change_while_the_index_is_read_is_there_once(
    store: Store, inbox: Mailbox
) -> None:
    table = FlagTable()
    for uid, modseq, flags in ((2, 2, SEEN), (1, 3, SEEN), (2, 4, DELETED), (3, 5, SEEN)):
        table.add(uid, modseq, flags)
    table.settle()
    assert list(table) == [FlagState(1, 3, SEEN), FlagState(2, 4, DELETED), FlagState(3, 5, SEEN)]


def test_a_table_in_any_order_becomes_one_in_the_order_of_uids() -> None:
    order = list(range(1, 70_001))
    random.Random(7).shuffle(order)
    table = FlagTable()
    for modseq, uid in enumerate(order, start=1):
        table.add(uid, modseq, SEEN if uid % 2 else DELETED)
    table.add(5, 100_000, frozenset())
    table.settle()
    found = list(table)
    assert [state.uid for state in found] == list(range(1, 70_001))
    assert (found[4].modseq, found[4].flags) == (100_000, frozenset())
    assert all(state.modseq == order.index(state.uid) + 1 for state in found[:4])
    assert all(state.flags == (SEEN if state.uid % 2 else DELETED) for state in found[5:])


async def test_setup_replaces_the_index_of_version_0_2(store: Store) -> None:
    messages = store.collection("messages")
    await messages.create_index([("account", 1), ("mailbox", 1), ("modseq", 1)], name="mailbox_modseq")
    await ensure_schema(store)
    await ensure_schema(store)
    names = set(await messages.index_information())
    assert "mailbox_modseq_state" in names
    assert "mailbox_modseq" not in names


async def test_a_message_with_other_flags_than_its_state_says_is_never_believed(
    store: Store, inbox: Mailbox
) -> None:
    await insert_messages(store, [Insertion(inbox.id, message(ACCOUNT, flags=["$a", "\\Seen"]))])
    [row] = [each async for each in store.collection("messages").find()]
    assert row["state"] == f"+{row['modseq']} $a \\Seen"
    assert flags_in(row["state"], row["modseq"] + 1) is None


def test_a_state_is_read_as_it_was_written() -> None:
    for flags in (frozenset[str](), SEEN, frozenset({"\\Seen", "-", "+1", "$Label1"})):
        assert flags_in(state_text(12, flags), 12) == flags
    assert flags_in(state_text(12, SEEN), 1) is None
    assert flags_in(None, 1) is None
    assert flags_in(expunged_text(3), 3) is None
    assert is_expunged(expunged_text(3), 3)
    assert not is_expunged(expunged_text(3), 4)
    assert state_text(9, {"~"}) < expunged_text(1)  # the query for present messages stops below "-"
