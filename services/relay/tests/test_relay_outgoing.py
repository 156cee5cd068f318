"""Envelopes and octets of a ticket."""

import asyncio
from collections.abc import Collection

import pytest
from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket, Verdict
from mailyard.relay.bodyreader import BodyReader
from mailyard.relay.outgoing import OutgoingMessage
from mailyard.smtp.parameters import BodyType
from mailyard.store.blobs import BodyMissing
from mailyard.store.body import CHUNK_SIZE


class FakeBlobs:
    def __init__(self, *bodies: bytes) -> None:
        self.bodies = {ObjectId(): body for body in bodies}
        self.commands = 0
        self.most_given = 0

    async def read_many(self, blob_ids: Collection[ObjectId]) -> dict[ObjectId, bytes]:
        self.commands += 1
        return {each: self.bodies[each] for each in blob_ids if each in self.bodies}

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None):
        self.commands += 1
        if blob_id not in self.bodies:
            raise BodyMissing(blob_id)
        body = self.bodies[blob_id]
        for first in range(0, len(body), CHUNK_SIZE):
            self.most_given = max(self.most_given, first)
            yield body[first : first + CHUNK_SIZE]


def ticket_for(octets: bytes, blobs: FakeBlobs, **fields) -> Ticket:
    (blob_id,) = (each for each, kept in blobs.bodies.items() if kept == octets)
    fields.setdefault("recipients", [Recipient(address="bob@b.example")])
    return Ticket(blob_id=blob_id.binary, size=len(octets), prefix=b"Received: x\r\n", **fields)


async def octets_of(message: OutgoingMessage) -> bytes:
    return b"".join([piece async for piece in message.content()])


@pytest.mark.parametrize(
    "body", [b"", b"Subject: x\r\n\r\ny\r\n", bytes(CHUNK_SIZE), b"z" * (3 * CHUNK_SIZE + 5)]
)
async def test_the_message_is_what_the_filter_says_then_the_prefix_then_the_body(body: bytes) -> None:
    blobs = FakeBlobs(body)
    ticket = ticket_for(body, blobs, verdict=Verdict(header_fields=b"X-Spam: no\r\n"))
    message = OutgoingMessage(ticket, BodyReader(blobs))
    assert await octets_of(message) == b"X-Spam: no\r\nReceived: x\r\n" + body
    assert message.size == len(await octets_of(message))


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        (b"X-Mailyard-Rule: acme\r\nX-Spam-Flag: YES\r\n", b"X-Spam-Flag: YES\r\n"),
        (b"X-Score: 1\r\nx-mailyard-rule: a\r\n\tb\r\n c\r\nX-Last: 2\r\n", b"X-Score: 1\r\nX-Last: 2\r\n"),
        (b"X-Not-X-Mailyard-Rule: a\r\n", b"X-Not-X-Mailyard-Rule: a\r\n"),
        (b"X-Mailyard-A: 1\r\nX-Mailyard-B: 2\r\n", b""),
    ],
)
async def test_internal_fields_of_the_filter_are_removed(fields: bytes, left: bytes) -> None:
    body = b"X-Mailyard-Rule: somebody else's\r\n\r\ny\r\n"
    blobs = FakeBlobs(body)
    message = OutgoingMessage(
        ticket_for(body, blobs, verdict=Verdict(header_fields=fields)), BodyReader(blobs)
    )
    assert await octets_of(message) == left + b"Received: x\r\n" + body
    assert message.size == len(await octets_of(message))


async def test_small_bodies_that_are_read_together_are_one_command() -> None:
    small = [b"%d" % number for number in range(20)]
    blobs = FakeBlobs(*small)
    bodies = BodyReader(blobs)
    letters = [OutgoingMessage(ticket_for(body, blobs), bodies) for body in small]
    got = await asyncio.gather(*(octets_of(message) for message in letters))
    assert got == [b"Received: x\r\n" + body for body in small]
    assert blobs.commands <= 2


async def test_a_big_body_is_read_as_far_as_it_is_wanted() -> None:
    body = b"z" * (100 * CHUNK_SIZE)
    blobs = FakeBlobs(body)
    content = OutgoingMessage(ticket_for(body, blobs), BodyReader(blobs)).content()
    await anext(content)
    await anext(content)
    assert blobs.most_given <= 2 * CHUNK_SIZE
    await content.aclose()


@pytest.mark.parametrize("size", [10, 10 * CHUNK_SIZE])
async def test_a_body_that_is_gone_is_an_error(size: int) -> None:
    ticket = Ticket(blob_id=ObjectId().binary, size=size, recipients=[Recipient(address="b@c.example")])
    with pytest.raises(BodyMissing):
        await octets_of(OutgoingMessage(ticket, BodyReader(FakeBlobs())))


def test_the_envelope_names_some_recipients_and_passes_on_what_was_asked() -> None:
    blobs = FakeBlobs(b"x")
    ticket = ticket_for(
        b"x",
        blobs,
        sender="alice@a.example",
        recipients=[
            Recipient(address="bob@b.example", notify="NEVER"),
            Recipient(address="carol@b.example", orcpt="rfc822;c@b.example"),
        ],
        ret="HDRS",
        envid="42",
        body="8BITMIME",
    )
    envelope = OutgoingMessage(ticket, BodyReader(blobs)).envelope([1], smtputf8=True)
    assert envelope.sender == "alice@a.example"
    assert [(to.address, to.notify, to.orcpt) for to in envelope.recipients] == [
        ("carol@b.example", "", "rfc822;c@b.example")
    ]
    assert (envelope.ret, envelope.envid, envelope.body) == ("HDRS", "42", BodyType.EIGHT_BIT)
    assert (envelope.smtputf8, envelope.size) == (True, len(b"Received: x\r\nx"))


def test_an_address_that_cannot_be_said_is_refused() -> None:
    blobs = FakeBlobs(b"x")
    with pytest.raises(ValueError, match="in address"):
        OutgoingMessage(
            ticket_for(b"x", blobs, recipients=[Recipient(address="a\r\nb@c.example")]), BodyReader(blobs)
        )


@pytest.mark.parametrize(
    ("declared", "body", "needed"),
    [
        (False, "Subject: grün\r\n\r\n".encode(), False),
        (True, "Subject: grün\r\n\r\n".encode(), True),
        (True, "Subject: x\r\n\r\ngrün".encode(), False),
        (True, b"", False),
        (True, b"a: " + b"x" * (2 * CHUNK_SIZE), True),
    ],
)
async def test_smtputf8_is_needed_when_the_header_is_international(
    declared: bool, body: bytes, needed: bool
) -> None:
    blobs = FakeBlobs(body)
    message = OutgoingMessage(ticket_for(body, blobs, smtputf8=declared), BodyReader(blobs))
    assert await message.needs_smtputf8() is needed
