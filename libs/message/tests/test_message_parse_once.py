"""One parse for all recipients: trace fields put before a parsed message give what a parse of the whole gives."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.headers import HeaderIndex
from mailyard.message.parse import parse_message

TRACE = b"Return-Path: <a@b>\r\nDelivered-To: joe@example.com\r\n"
COMMON = b"X-Mailyard-Rule: x\r\nReceived: from a by b\r\n"
PIECES = (
    b"Subject: x\r\n", b"Delivered-To: other@b\r\n", b"\r\n", b"\n", b"text\r\n", b" folded\r\n", b"From: a@b\n", b"--B\r\n",
    b"Content-Type: multipart/mixed; boundary=B\r\n", b"Content-Type: message/rfc822\r\n", b"--B--\r\n", b"\0", b"x",
)  # fmt: skip


@pytest.mark.parametrize("common", [b"", COMMON], ids=["no prefix", "prefix"])
@given(body=st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
def test_trace_fields_before_a_parsed_message_are_as_if_they_were_parsed_with_it(
    common: bytes, body: bytes
) -> None:
    parsed = parse_message(common, body)
    whole = parse_message(TRACE + common, body)
    header_index, part_index = parsed.indexes_behind(TRACE)
    assert part_index == whole.part_index
    other = {"header_index": b"", "part_index": b"", "is_continued": False}
    assert replace(parsed, **other) == replace(whole, **other, defects=parsed.defects)
    if not parsed.is_continued:
        assert sorted(header_index) == sorted(whole.header_index)


def test_a_message_that_begins_with_a_continuation_line_is_read_for_its_header() -> None:
    moved = parse_message(b"", b" goes on\r\nSubject: x\r\n\r\n").indexes_behind(TRACE)
    assert HeaderIndex.decode(moved.header_index).fields([b"Delivered-To"]) is None


def test_only_trace_fields_of_final_delivery_can_be_put_before_a_parsed_message() -> None:
    parsed = parse_message(b"", b"Subject: x\r\n\r\n")
    for fields in (
        b"From: a@b\r\n",
        b"X-Any: 1\r\n",
        b"Delivered-To: a@b",
        b"Delivered-To: a@b\r\n\r\n",
        b"\r\n",
    ):
        with pytest.raises(ValueError, match="trace fields"):
            parsed.indexes_behind(fields)
