"""The message factory: one message of octets, for delivery and APPEND."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from mailyard.mailbox.factory import new_message, row_octets
from mailyard.message.parse import parse_message

ACCOUNT, BLOB = ObjectId(), ObjectId()
MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
PREFIX = b"Received: by here\r\n"
TRACE = b"Return-Path: <s@there.test>\r\nDelivered-To: anna@one.test\r\n"
BODY = b"Subject: Hi\r\nMessage-ID: <1@there.test>\r\n\r\nHello\r\n"


def made(body: bytes = BODY, **fields):
    parsed = parse_message(fields.get("prefix", b""), body)
    return new_message(
        parsed, account=ACCOUNT, blob_id=BLOB, body_size=len(body), internal_date=MOMENT, **fields
    )


def test_the_message_of_a_body_alone_has_the_columns_of_its_parse_and_a_new_id() -> None:
    message, parsed = made(flags=frozenset({"\\Seen"})), parse_message(b"", BODY)
    assert (message.account, message.blob_id, message.internal_date) == (ACCOUNT, BLOB, MOMENT)
    assert (message.prefix, message.size, message.flags) == (b"", len(BODY), {"\\Seen"})
    assert message.envelope == parsed.envelope
    assert message.bodystructure == parsed.bodystructure
    assert message.imap_body == parsed.imap_body
    assert (message.header_index, message.part_index) == (parsed.header_index, parsed.part_index)
    assert message.summary == parsed.summary
    assert message.summary.subject == "Hi"
    assert ObjectId.is_valid(message.id)
    assert made().id != message.id


def test_trace_fields_stand_before_the_prefix_and_the_columns_are_those_of_the_whole() -> None:
    message = made(row_id="account:spool", trace=TRACE, prefix=PREFIX)
    whole = parse_message(TRACE + PREFIX, BODY)
    assert message.id == "account:spool"
    assert message.prefix == TRACE + PREFIX
    assert message.size == len(TRACE + PREFIX + BODY)
    assert (message.part_index, message.summary) == (whole.part_index, whole.summary)
    assert sorted(message.header_index) == sorted(whole.header_index)


def test_only_trace_fields_may_be_put_before_a_parsed_message() -> None:
    with pytest.raises(ValueError, match="trace fields"):
        made(trace=b"Subject: other\r\n")


def test_answers_share_the_thread_of_the_first_message_and_a_message_without_identifier_is_its_own() -> None:
    answer = b"References: <1@there.test> <2@there.test>\r\nMessage-ID: <3@there.test>\r\n\r\n"
    assert made().thread_id == made(answer).thread_id != made(b"Message-ID: <4@there.test>\r\n\r\n").thread_id
    alone = made(b"Subject: x\r\n\r\n", row_id="account:spool")
    assert alone.thread_id == "account:spool"


def test_the_size_of_a_row_grows_with_its_columns() -> None:
    assert row_octets(made(trace=TRACE)) - row_octets(made()) > len(TRACE)
