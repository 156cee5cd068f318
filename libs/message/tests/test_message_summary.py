"""The summary of a message: From, To, Subject and Date, decoded and bounded."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.fields import scan_fields
from mailyard.message.parse import parse_message
from mailyard.message.summary import MAX_ADDRESSES, NamedAddress, Summary, summarise


def summary(header: bytes) -> Summary:
    return parse_message(b"", header + b"\r\nbody\r\n").summary


def test_names_addresses_subject_and_date_are_decoded() -> None:
    found = summary(
        b'From: "Doe, Jane" <jane@example.org>\r\n'
        b"To: =?utf-8?Q?J=C3=BCrgen?= <j@example.net>, mary@example.com\r\n"
        b"Subject: =?iso-8859-1?Q?Caf=E9?= at\r\n ten\r\n"
        b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    )
    assert found == Summary(
        from_=(NamedAddress("Doe, Jane", "jane@example.org"),),
        to=(NamedAddress("Jürgen", "j@example.net"), NamedAddress("", "mary@example.com")),
        subject="Café at ten",
        sent_at=datetime(1997, 11, 21, 9, 55, 6, tzinfo=timezone(timedelta(hours=-6))),
        is_exact=True,
    )
    assert found.sent_at is not None
    assert found.sent_at.date().day == 21  # as the sender wrote it


def test_what_is_absent_is_none_and_an_empty_subject_is_empty() -> None:
    assert summary(b"X: y\r\n") == Summary()
    assert summary(b"Subject:\r\n").subject == ""
    assert summary(b"Date: tomorrow\r\n") == Summary()


def test_group_names_are_left_out_and_addresses_in_groups_are_kept() -> None:
    assert summary(b"To: friends: a@b.test, c@d.test;\r\n").to == (("", "a@b.test"), ("", "c@d.test"))


def test_several_subject_fields_and_values_that_are_cut_are_not_exact() -> None:
    assert not summary(b"Subject: a\r\nSubject: b\r\n").is_exact
    long = summary(b"Subject: " + b"x" * 9_000 + b"\r\n")
    assert (len(long.subject or ""), long.is_exact) == (8_192, False)
    assert not summary(b"Date: Fri, 21 Nov 1997 09:55:06 (" + b"x" * 600 + b")\r\n").is_exact


@pytest.mark.parametrize("date", [b"1 Jan 0001 00:00:00 +0900", b"31 Dec 9999 23:00:00 -0900"])
def test_dates_at_the_ends_of_the_calendar_are_left_out(date: bytes) -> None:
    assert summary(b"Date: " + date + b"\r\n") == Summary(is_exact=False)


def test_addresses_have_a_largest_number_and_a_largest_length() -> None:
    many = b", ".join(b"u%d@example.test" % number for number in range(MAX_ADDRESSES + 5))
    assert len(summary(b"To: " + many + b"\r\n").to) == MAX_ADDRESSES
    assert summary(b"To: " + b"x" * 2_000 + b"@example.test, b@c.test\r\n").to == (("", "b@c.test"),)
    (long,) = summary(b'From: "' + b"n" * 3_000 + b'" <a@b.test>\r\n').from_
    assert len(long.name) == 1_024


def test_text_can_be_stored_whatever_its_charset_gives() -> None:
    surrogate = summary(b"Subject: =?utf-7?Q?+2AA-?= =?utf-16-le?B?ANg=?=\r\n").subject
    assert surrogate is not None
    surrogate.encode("utf-8")


@given(st.binary(max_size=200))
def test_any_octets_give_a_summary_that_can_be_stored(octets: bytes) -> None:
    found = summary(b"From: " + octets + b"\r\nSubject: " + octets + b"\r\nDate: " + octets + b"\r\n")
    for each in (*found.from_, *found.to):
        "".join(each).encode("utf-8")
    (found.subject or "").encode("utf-8")
    if found.sent_at is not None:
        found.sent_at.astimezone(UTC)


@given(st.lists(st.sampled_from((b"Subject: x\r\n", b"Date: 1 Jan 2020 10:00 +0100\r\n", b"To: a@b, c <d@e>\r\n",
                                 b"From: =?utf-8?Q?=C3=A9?= <a@b>\r\n", b" folded\r\n", b"X: y\r\n")), max_size=8))  # fmt: skip
def test_the_summary_of_a_header_alone_is_that_of_the_parsed_message(fields: list[bytes]) -> None:
    header = b"".join(fields)
    if not header.startswith(b" "):
        assert summarise(list(scan_fields(header))) == summary(header)
