"""Octets of messages: ranges, sections, header fields, from the prefix, the header index and the body."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from mailyard.mailbox.factory import new_message
from mailyard.mailbox.model import Message
from mailyard.mailbox.octets import (
    SMALL_BODY,
    BlobRange,
    header_fields,
    pieces_of,
    read_blob,
    read_header,
    section_span,
    stream,
)
from mailyard.message.parse import parse_message
from mailyard.store.blobs import BodyMissing

PREFIX = b"Received: by here\r\nX-Spam: no\r\n"
BODY = (
    b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: text/plain\r\n\r\none\r\n--B\r\nX-Part: 2\r\n\r\ntwo\r\n--B--\r\n"
)
MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)


class MemoryBlobs:
    """Bodies in memory; notes what was read."""

    def __init__(self) -> None:
        self.bodies: dict[ObjectId, bytes] = {}
        self.reads: list[tuple[int, int | None]] = []

    def add(self, body: bytes, prefix: bytes = PREFIX) -> Message:
        blob_id = ObjectId()
        self.bodies[blob_id] = body
        new = new_message(
            parse_message(prefix, body),
            account=ObjectId(),
            blob_id=blob_id,
            body_size=len(body),
            internal_date=MOMENT,
            prefix=prefix,
        )
        return Message(
            new.id, new.account, new.prefix, blob_id, new.size, MOMENT, new.envelope, new.bodystructure, new.imap_body,
            new.header_index, new.part_index, mailbox=ObjectId(), uid=1, modseq=1, saved_at=MOMENT,
        )  # fmt: skip

    async def read_range(self, blob_id: ObjectId, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return self.bodies[blob_id][start:end]

    async def stream(self, blob_id: ObjectId, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self.reads.append((start, end))
        if blob_id not in self.bodies:
            raise BodyMissing(blob_id)
        octets = self.bodies[blob_id][start:end]
        for position in range(0, len(octets), 7):
            yield octets[position : position + 7]


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def test_every_range_is_the_range_of_prefix_and_body(blobs: MemoryBlobs) -> None:
    message, whole = blobs.add(BODY), PREFIX + BODY
    for _ in range(300):
        start, end = sorted(random.choices(range(len(whole) + 1), k=2))
        octets = b"".join(
            piece if isinstance(piece, bytes) else piece.of(blobs.bodies)
            for piece in pieces_of(message, start, end)
        )
        assert octets == whole[start:end]


@pytest.mark.parametrize(
    ("section", "octets"),
    [
        ("", PREFIX + BODY),
        ("1", b"one"),
        ("2", b"two"),
        ("2.MIME", b"X-Part: 2\r\n\r\n"),
        ("HEADER", (PREFIX + BODY)[: (PREFIX + BODY).index(b"\r\n\r\n") + 4]),
        ("TEXT", (PREFIX + BODY)[(PREFIX + BODY).index(b"\r\n\r\n") + 4 :]),
        ("3", None),
        ("1.HEADER", None),
    ],
)
def test_sections_have_the_spans_of_the_part_index(
    blobs: MemoryBlobs, section: str, octets: bytes | None
) -> None:
    span = section_span(blobs.add(BODY), section)
    assert (None if span is None else (PREFIX + BODY)[span.start : span.end]) == octets


async def test_header_fields_come_from_the_header_index_and_read_no_body(blobs: MemoryBlobs) -> None:
    message = blobs.add(BODY)
    assert await header_fields(blobs, message, "HEADER", [b"SUBJECT"]) == b"Subject: parts\r\n\r\n"
    assert blobs.reads == []


async def test_header_fields_that_the_index_does_not_keep_are_read(blobs: MemoryBlobs) -> None:
    message = blobs.add(BODY)
    assert await header_fields(blobs, message, "HEADER", [b"x-spam"]) == b"X-Spam: no\r\n\r\n"
    others = await header_fields(blobs, message, "HEADER", [b"x-spam", b"received"], negate=True)
    assert others == b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    assert await header_fields(blobs, message, "2.MIME", [b"x-part"]) == b"X-Part: 2\r\n\r\n"
    assert await header_fields(blobs, message, "7.MIME", [b"x-part"]) is None
    assert blobs.reads
    assert all((end or 0) <= len(BODY) for _, end in blobs.reads)


async def test_a_message_of_a_row_without_header_index_is_answered_from_its_header(
    blobs: MemoryBlobs,
) -> None:
    old = replace(blobs.add(BODY), header_index=b"")
    assert await header_fields(blobs, old, "HEADER", [b"subject"]) == b"Subject: parts\r\n\r\n"


async def test_a_long_header_is_read_and_selected_from(blobs: MemoryBlobs) -> None:
    message = blobs.add(b"X-Long: " + b"x" * 300_000 + b"\r\nX-End: 1\r\n\r\n")
    assert await header_fields(blobs, message, "HEADER", [b"x-end"]) == b"X-End: 1\r\n\r\n"
    header = await read_header(blobs, message)
    assert header is not None
    assert header.endswith(b"X-End: 1\r\n\r\n")


async def test_a_body_is_read_whole_and_a_range_is_streamed(blobs: MemoryBlobs) -> None:
    message = blobs.add(BODY)
    assert await read_blob(blobs, message.blob_id) == BODY
    piece = BlobRange(message.blob_id, 3, 20, len(BODY))
    assert b"".join([octets async for octets in stream(blobs, piece)]) == BODY[3:20]


async def test_octets_that_are_missing_raise(blobs: MemoryBlobs) -> None:
    missing = BlobRange(ObjectId(), 0, 1, 1)
    with pytest.raises(BodyMissing):
        missing.of({})
    with pytest.raises(BodyMissing):
        await read_blob(blobs, missing.blob_id)
    message = blobs.add(BODY)
    short = BlobRange(message.blob_id, 0, len(BODY) + 1, len(BODY) + 1)
    with pytest.raises(BodyMissing):
        short.of(blobs.bodies)
    with pytest.raises(BodyMissing):
        assert [octets async for octets in stream(blobs, short)]


def test_bodies_up_to_256_kib_are_small() -> None:
    assert BlobRange(ObjectId(), 0, 1, SMALL_BODY).is_small
    assert not BlobRange(ObjectId(), 0, 1, SMALL_BODY + 1).is_small
