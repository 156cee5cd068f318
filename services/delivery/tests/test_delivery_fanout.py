"""One message to many recipients on a real store: parsed once, placed in portions, without holding up the loop."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

import pytest
from bson import ObjectId

from mailyard.delivery import parsing
from mailyard.delivery.deliverer import Deliverer
from mailyard.delivery.placing import Placer
from mailyard.delivery.settings import DeliverySettings
from mailyard.mailbox.portions import Placing
from mailyard.mailbox.rows import ensure_schema as ensure_mailboxes
from mailyard.message.parse import ParsedMessage, parse_message
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.spool.schema import ensure_schema as ensure_spool
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


class Silent:
    """Mailbox events that nobody hears."""

    async def publish(self, events: Sequence[MailboxEvent]) -> None:
        pass


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await store.start()
    await ensure_spool(store)
    await ensure_mailboxes(store)
    yield store
    await store.close()


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

    place = Placer.place

    async def watch(placer: Placer, messages: Any) -> Placing:
        portions.append(len(messages))
        return await place(placer, messages)

    monkeypatch.setattr(parsing, "parse_message", count)
    monkeypatch.setattr(Placer, "place", watch)
    deliverer = Deliverer(store, cast("Any", Silent()), DeliverySettings())
    tickets = await tickets_for(store, b"Subject: x\r\n\r\ntext\r\n", 1000, per_ticket)
    await deliverer.handle(tickets)
    assert await delivered(store) == 1000
    assert len(parses) == len(tickets), "a message is parsed more than once for its recipients"
    assert portions == [100] * 10


@pytest.mark.parametrize("body", [HOSTILE, MESSAGES], ids=["hostile header", "a thousand messages"])
async def test_a_hostile_message_to_many_recipients_leaves_room_for_others(store: Store, body: bytes) -> None:
    deliverer = Deliverer(store, cast("Any", Silent()), DeliverySettings())
    tickets = await tickets_for(store, body, 200, 200)
    assert await longest_stretch(deliverer.handle(tickets)) < 0.1
    assert await delivered(store) == 200
    row = await store.collection("messages").find_one({})
    assert row is not None
    assert sum(len(row[column]) for column in ("envelope", "bodystructure", "body")) < 150_000


async def test_a_ticket_that_comes_again_in_the_middle_delivers_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Placer.place
    calls = 0

    async def fail_at_the_third(placer: Placer, messages: Any) -> Placing:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Unavailable("the store is unreachable")
        return await place(placer, messages)

    monkeypatch.setattr(Placer, "place", fail_at_the_third)
    deliverer = Deliverer(store, cast("Any", Silent()), DeliverySettings())
    tickets = await tickets_for(store, b"Subject: x\r\n\r\ntext\r\n", 500, 500)
    with pytest.raises(Unavailable):
        await deliverer.handle(tickets)
    assert await delivered(store) == 200
    await deliverer.handle(tickets)
    assert await delivered(store) == 500
