from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.dates import parse_date, rfc5322_date


def at(*args, hours=0, minutes=0):
    return datetime(*args, tzinfo=timezone(timedelta(hours=hours, minutes=minutes)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Fri, 21 Nov 1997 09:55:06 -0600", at(1997, 11, 21, 9, 55, 6, hours=-6)),
        (b"21 Nov 97 09:55:06 GMT", at(1997, 11, 21, 9, 55, 6)),
        (
            b"Thu,\t13\tFeb\t1969 23:32 -0330 (Newfoundland Time)",
            at(1969, 2, 13, 23, 32, hours=-3, minutes=-30),
        ),
        (b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", at(1996, 7, 17, 2, 23, 25, hours=-7)),
        (b"1 Jan 2024 00:00:00 EST", at(2024, 1, 1, hours=-5)),
        (b"1 Jan 2024 00:00:60 +0000", at(2024, 1, 1, 0, 0, 59)),
        (b"1 Jan 2024 00:00:00", at(2024, 1, 1)),
        (b"1-Jan-2024 00:00:00 +0100", at(2024, 1, 1, hours=1)),
        (b"Mon, 1 January 03 1:02 +0000", at(2003, 1, 1, 1, 2)),
        (b"1 Jan 105 00:00:00 +0000", at(2005, 1, 1)),
    ],
)
def test_dates_of_header_fields_are_read(value, expected):
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    "value",
    [b"", b"yesterday", b"31 Feb 2024 00:00:00 +0000", b"1 Foo 2024 00:00:00 +0000", b"1 Jan 2024 25:00:00 +0000",
     b"1 Jan 2024 00:00:00 +9999", b"99999999999"],
)  # fmt: skip
def test_what_is_no_date_is_none(value):
    assert parse_date(value) is None


def test_a_date_is_written_as_rfc_5322_says():
    assert rfc5322_date(at(1997, 11, 2, 9, 5, 6, hours=-6)) == b"Sun, 02 Nov 1997 09:05:06 -0600"


def test_one_moment_is_written_in_the_zone_of_each():
    noon = datetime(2026, 11, 23, 12, 0, 0, 999_999, tzinfo=UTC)
    there = noon.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert rfc5322_date(noon) == b"Mon, 23 Nov 2026 12:00:00 +0000"
    assert rfc5322_date(there) == b"Mon, 23 Nov 2026 17:30:00 +0530"


def test_a_moment_without_a_zone_cannot_be_written():
    with pytest.raises(ValueError, match="time zone"):
        rfc5322_date(datetime(2024, 1, 1))  # noqa: DTZ001 - that it has no zone is the point


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_what_is_written_is_read_back(moment, offset):
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)) if offset else UTC)
    assert parse_date(rfc5322_date(moment)) == moment


@given(st.binary(max_size=60))
def test_no_octets_make_the_date_reader_fail(value):
    found = parse_date(value)
    assert found is None or found.tzinfo is not None
