"""The message that a mailbox gets: its prefix, its key, its size."""

from datetime import UTC, datetime

from bson import ObjectId

from mailyard.delivery.recipientcopy import common_prefix, delivery_key, message_for, trace_fields
from mailyard.message.parse import parse_message
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket, Verdict

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ACCOUNT = "65f0c0ffee65f0c0ffee65f0"
BLOB = ObjectId("0123456789abcdef01234567")
TARGET = Recipient(address="anna@one.test", account=ACCOUNT)


def ticket(sender: str = "s@there.test") -> Ticket:
    return Ticket(
        spool_id="id",
        sender=sender,
        blob_id=BLOB.binary,
        prefix=b"Received: by here\r\n",
        verdict=Verdict(header_fields=b"X-Spam: no\r\n"),
    )


def letter(body: bytes, sender: str = "s@there.test"):
    mail = ticket(sender)
    return message_for(mail, TARGET, parse_message(common_prefix(mail), body), len(body), NOW)


def test_final_delivery_puts_its_fields_before_the_verdict_s_and_the_trace():
    assert letter(b"\r\n").prefix == (
        b"Return-Path: <s@there.test>\r\nDelivered-To: anna@one.test\r\nX-Spam: no\r\nReceived: by here\r\n"
    )


def test_the_null_reverse_path_stays_empty():
    assert trace_fields(ticket(sender=""), TARGET).startswith(b"Return-Path: <>\r\n")


def test_the_key_is_the_account_and_the_spool_id_and_nothing_that_a_sender_chooses():
    assert delivery_key(ticket(), TARGET) == f"{ACCOUNT}:id"


def test_a_message_is_prefix_and_body_and_is_parsed_as_one():
    body = b"Subject: Hi\r\nFrom: s@there.test\r\n\r\nHello\r\n"
    message = letter(body)
    assert message.size == len(message.prefix) + len(body)
    assert message.blob_id == BLOB
    assert message.account == ObjectId(ACCOUNT)
    assert b'"Hi"' in message.envelope
    whole = parse_message(message.prefix, body)
    assert (message.header_index, message.part_index) == (whole.header_index, whole.part_index)
