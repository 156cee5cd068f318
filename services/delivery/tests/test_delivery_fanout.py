"""One message to many recipients on a real store: parsed once, inserted in portions, without holding up the loop."""

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from delivery_doubles import deliver

from mailyard.delivery import parsing
from mailyard.delivery.mailboxwriter import MailboxWriter
from mailyard.mailbox.bulkinsertion import InsertionResult
from mailyard.message.parse import ParsedMessage, parse_message
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.store.blobs import Blobs
from mailyard.store.body import Body
from mailyard.store.client import Store

HEADER_OCTETS = 250_000
HOSTILE = b"From: " + b"a@" * (HEADER_OCTETS // 2) + b"\r\n\r\ntext\r\n"
MESSAGES = (
    b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
    + b"--B\r\nContent-Type: message/rfc822\r\n\r\nFrom: %b\r\n\r\n\r\n" % (b"a@b," * 45) * 1000
    + b"--B--\r\n"
)


async def tickets_for(store: Store, body: bytes, recipients: int, per_ticket: int) -> list[Ticket]:
    """The legs of one message that is in the store."""
    stored = Body(ObjectId(), len(body), body)
    await Blobs(store).put(stored)
    targets = [
        Recipient(
            address=f"user{number}@one.test", tenant="one", account=str(ObjectId()), index=number % per_ticket
        )
        for number in range(recipients)
    ]
    return [
        Ticket(
            spool_id=f"message{first}",
            tenant="one",
            sender="s@there.test",
            recipients=targets[first : first + per_ticket],
            blob_id=stored.blob_id.binary,
            size=len(body),
            prefix=b"Received: by here\r\n",
        )
        for first in range(0, recipients, per_ticket)
    ]


@pytest.fixture(autouse=True)
def _lasting_objects_are_spared() -> Iterator[None]:
    """A service does the same at its start; the objects of all tests in this process are many more."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def longest_stretch(work: Any) -> float:
    """The longest CPU time that the loop's thread spent on `work` without a pause for others.

    CPU time, not the clock: what other processes of the machine take is no fault of the code.
    """
    longest, last = 0.0, time.thread_time()
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    await task
    return longest


async def delivered(store: Store) -> int:
    return await store.collection("messages").count_documents({})


@pytest.mark.parametrize("per_ticket", [1000, 100], ids=["one leg", "ten legs"])
async def test_a_message_is_parsed_once_and_placed_in_portions(
    store: Store, monkeypatch: pytest.MonkeyPatch, per_ticket: int
) -> None:
    parses: list[bytes] = []
    portions: list[int] = []

    def count(prefix: bytes, body: bytes) -> ParsedMessage:
        parses.append(body)
        return parse_message(prefix, body)

    insert = MailboxWriter.insert

    async def watch(writer: MailboxWriter, messages: Any) -> InsertionResult:
        portions.append(len(messages))
        return await insert(writer, messages)

    monkeypatch.setattr(parsing, "parse_message", count)
    monkeypatch.setattr(MailboxWriter, "insert", watch)
    handler = deliver(store)
    tickets = await tickets_for(store, b"Subject: x\r\n\r\ntext\r\n", 1000, per_ticket)
    await handler.handle(tickets)
    assert await delivered(store) == 1000
    assert len(parses) == len(tickets), "a message is parsed more than once for its recipients"
    assert portions == [100] * 10


@pytest.mark.parametrize("body", [HOSTILE, MESSAGES], ids=["hostile header", "a thousand messages"])
async def test_a_hostile_message_to_many_recipients_leaves_room_for_others(store: Store, body: bytes) -> None:
    handler = deliver(store)
    tickets = await tickets_for(store, body, 200, 200)
    assert await longest_stretch(handler.handle(tickets)) < 0.1
    assert await delivered(store) == 200
    row = await store.collection("messages").find_one({})
    assert row is not None
    assert sum(len(row[column]) for column in ("envelope", "bodystructure", "body")) < 150_000


async def test_a_ticket_that_comes_again_in_the_middle_delivers_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = MailboxWriter.insert
    calls = 0

    async def fail_at_the_third(writer: MailboxWriter, messages: Any) -> InsertionResult:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Unavailable("the store is unreachable")
        return await insert(writer, messages)

    monkeypatch.setattr(MailboxWriter, "insert", fail_at_the_third)
    handler = deliver(store)
    tickets = await tickets_for(store, b"Subject: x\r\n\r\ntext\r\n", 500, 500)
    with pytest.raises(Unavailable):
        await handler.handle(tickets)
    assert await delivered(store) == 200
    await handler.handle(tickets)
    assert await delivered(store) == 500
