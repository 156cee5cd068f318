"""One busy or missing mailbox does not hold up the others of a batch."""

import asyncio

import pytest
from bson import ObjectId
from mailbox_builders import message

from mailyard.mailbox import bulkinsertion
from mailyard.mailbox.bulkinsertion import MAX_INSERTIONS, insert_in_batches
from mailyard.mailbox.insertion import Insertion
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import Mailbox
from mailyard.store.client import Store


async def inboxes(store: Store, count: int) -> list[Mailbox]:
    mailboxes = Mailboxes(store)
    made = []
    for _ in range(count):
        account = ObjectId()
        await mailboxes.ensure_defaults(account)
        made.append(await mailboxes.get(account, "INBOX"))
    return made


async def totals(store: Store, mailboxes: list[Mailbox]) -> list[int]:
    return [(await Mailboxes(store).by_id(each.account, each.id)).total for each in mailboxes]


async def test_a_large_batch_is_placed_in_transactions_of_bounded_size(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [inbox] = await inboxes(store, 1)
    sizes = []
    real = bulkinsertion.insert_messages

    async def noted(store, some, **named):  # type: ignore[no-untyped-def]
        sizes.append(len(some))
        return await real(store, some, **named)

    monkeypatch.setattr(bulkinsertion, "insert_messages", noted)
    result = await insert_in_batches(store, [Insertion(inbox.id, message(inbox.account)) for _ in range(250)])
    assert sizes == [MAX_INSERTIONS, MAX_INSERTIONS, 50]
    assert sorted(each.uid for each in result.inserted.values()) == list(range(1, 251))


async def test_a_mailbox_that_another_transaction_holds_is_given_back_and_the_others_are_placed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkinsertion, "_TRIES", 2)
    monkeypatch.setattr(bulkinsertion, "_TRIES_ALONE", 3)
    boxes = await inboxes(store, 6)
    held = boxes[2]
    async with store.client.start_session() as session:
        await session.start_transaction()
        await store.collection("mailboxes").update_one(
            {"_id": held.id}, {"$inc": {"modseq": 1}}, session=session
        )
        result = await insert_in_batches(
            store, [Insertion(each.id, message(each.account, key=str(each.id))) for each in boxes]
        )
        await session.abort_transaction()
    assert result.busy == {str(held.id)}
    assert set(result.inserted) == {str(each.id) for each in boxes if each is not held}
    assert await totals(store, boxes) == [1, 1, 0, 1, 1, 1]


async def test_mailboxes_that_are_gone_are_named_and_the_others_are_placed(store: Store) -> None:
    boxes = await inboxes(store, 3)
    await store.collection("mailboxes").delete_one({"_id": boxes[1].id})
    result = await insert_in_batches(store, [Insertion(each.id, message(each.account)) for each in boxes])
    assert result.gone == {boxes[1].id}
    assert len(result.inserted) == 2


async def test_a_busy_account_gets_its_mail_while_many_others_write_to_it(store: Store) -> None:
    boxes = await inboxes(store, 8)
    busy = boxes[0]
    batches = [
        [Insertion(each.id, message(each.account)) for each in (busy, box) for _ in range(2)]
        for box in boxes[1:]
    ]
    placings = await asyncio.gather(*(insert_in_batches(store, batch) for batch in batches))
    assert all(not result.busy and len(result.inserted) == 4 for result in placings)
    assert await totals(store, boxes) == [14, 2, 2, 2, 2, 2, 2, 2]
