"""Mailbox names, dates, flags, sequence sets, patterns and sections."""

import itertools
import re
from datetime import UTC, date, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_encoding import encode_date

from mailyard.imap.commands.registry import command
from mailyard.imap.grammar import flags
from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor
from mailyard.imap.grammar.dates import date_time, encode_date_time, imap_date
from mailyard.imap.grammar.names import InvalidMailboxName, decode_name, encode_name, mailbox
from mailyard.imap.grammar.patterns import matches
from mailyard.imap.grammar.sections import Section, SectionText, section
from mailyard.imap.grammar.sequences import SequenceSet, compact, sequence_set
from mailyard.imap.limits import ImapLimits


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501, section 5.1.3
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"a&-b", "a&b"),
        (b"&2D3eAA-", "😀"),
    ],
)
def test_names_are_modified_utf7(octets, name):
    assert decode_name(octets) == name
    assert encode_name(name) == octets


@pytest.mark.parametrize(
    "octets",
    [
        *(b"&U,BTFw", b"&*-", b"&A-", b"&2D0-", b"\xc3\xa9", b"&AAo-", b"a\x01", b"&AA"),
        *(b"&AGEAYg-", b"&AGE-", b"Th&AbA- &ARE-&HqU-n", b"&AOk-&AOk-", b"&AOl-", b"x&AC8-", b"&ACY-"),
    ],
)
def test_octets_that_are_no_name_are_refused(octets):
    with pytest.raises(InvalidMailboxName):
        decode_name(octets)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))))
def test_every_name_survives_encoding(name):
    assert decode_name(encode_name(name)) == name


@pytest.mark.parametrize("octets", [b"inbox", b"InBoX", b'"inbox"', b"{5}\r\ninbox"])
def test_inbox_has_no_case(octets):
    assert mailbox(Cursor(octets)) == "INBOX"


def test_dates_with_and_without_quotes():
    assert imap_date(Cursor(b"1-Feb-1994")) == date(1994, 2, 1)
    assert imap_date(Cursor(b'"01-feb-1994"')) == date(1994, 2, 1)


@pytest.mark.parametrize(
    "octets", [b"32-Jan-1994", b"1-Foo-1994", b"1-Feb-94", b"0-Jan-2000", b'"1-Feb-1994', b"1-Feb-0000"]
)
def test_days_that_do_not_exist_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        imap_date(Cursor(octets))


def test_a_day_that_its_month_does_not_have_is_counted_on():
    assert imap_date(Cursor(b"31-Feb-2024")) == date(2024, 3, 2)
    assert imap_date(Cursor(b"31-Apr-2023")) == date(2023, 5, 1)


@pytest.mark.parametrize(
    "octets",
    [
        b'"1-Jan-2024 10:00:00 +0700"',
        b'" 1-Jan-2024 10:00:00 +0700"',
        b'"01-jan-2024 10:00:00 +0700"',
        b'"01-Jan-2024 3:00:00 GMT"',
        b'"1-Jan-2024  3:00:00  UTC"',
    ],
)
def test_date_times_are_read_as_clients_write_them(octets):
    assert date_time(Cursor(octets)) == datetime(2024, 1, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize("octets", [b'"01-Jan-0001 00:00:00 +0100"', b'"31-Dec-9999 23:59:59 -0100"'])
def test_date_times_that_utc_does_not_have_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        date_time(Cursor(octets))


def test_a_name_has_so_many_octets_at_most():
    longest = "\u00e9a" * 333
    assert decode_name(encode_name(longest)) == longest
    with pytest.raises(CommandRefused):
        mailbox(Cursor(b'"' + b"a" * 8_193 + b'"'))
    assert command(Cursor(b'LIST "" "' + b"*" * 8_193 + b'"')).pattern == "\x00"


def test_date_times_keep_their_zone():
    moment = date_time(Cursor(b'"17-Jul-1996 02:44:25 -0700"'))
    assert moment == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
    assert encode_date_time(moment) == b'"17-Jul-1996 02:44:25 -0700"'


def test_the_day_of_a_date_time_is_padded_with_a_space():
    assert encode_date_time(datetime(2024, 3, 5, 1, 2, 3, tzinfo=UTC)) == b'" 5-Mar-2024 01:02:03 +0000"'
    assert date_time(Cursor(b'" 5-Mar-2024 01:02:03 +0000"')) == datetime(2024, 3, 5, 1, 2, 3, tzinfo=UTC)


def test_a_leap_second_is_kept_as_the_second_before():
    assert date_time(Cursor(b'"31-Dec-2016 23:59:60 +0000"')).second == 59


@pytest.mark.parametrize(
    "octets",
    [
        b'"32-Jul-1996 02:44:25 -0700"',
        b'"17-Jul-1996 24:44:25 -0700"',
        b'"17-Jul-1996 02:44:25 -9900"',
        b"17-Jul-1996",
    ],
)
def test_times_that_do_not_exist_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        date_time(Cursor(octets))


@given(st.dates())
def test_every_date_survives_encoding(day):
    assert imap_date(Cursor(encode_date(day))) == day


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-23 * 60, 23 * 60),
)
def test_every_date_time_survives_encoding(moment, minutes):
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    again = date_time(Cursor(encode_date_time(moment)))
    assert (again, again.utcoffset()) == (moment, moment.utcoffset())


def test_flags_have_no_case_and_a_keyword_keeps_its_first_spelling():
    assert flags.flag_list(Cursor(rb"(\seen \DELETED Work WORK work)")) == {"\\Seen", "\\Deleted", "Work"}


@pytest.mark.parametrize("octets", [rb"(\Recent)", rb"(\Foo)", b"(a(b)", b"(" + b"k" * 129 + b")", b"(a%)"])
def test_flags_that_cannot_be_set_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        flags.flag_list(Cursor(octets))


def test_flags_are_written_system_flags_first():
    assert flags.encode_flags({"b", "\\Seen", "\\Answered", "a"}) == rb"(\Answered \Seen a b)"


@pytest.mark.parametrize(
    ("octets", "largest", "spans"),
    [
        (b"1", 5, [(1, 1)]),
        (b"2,4:7,9,12:*", 15, [(2, 2), (4, 7), (9, 9), (12, 15)]),  # RFC 3501, section 9
        (b"*:4,5:7", 10, [(4, 10)]),
        (b"5:1", 9, [(1, 5)]),
        (b"7:*", 3, [(3, 7)]),
        (b"*", 3, [(3, 3)]),
        (b"1:*", 0, []),
        (b"3,2,1", 9, [(1, 3)]),
    ],
)
def test_sequence_sets_mean_sorted_spans(octets, largest, spans):
    assert sequence_set(Cursor(octets)).spans(largest) == spans


@pytest.mark.parametrize("octets", [b"0", b"1:", b":1", b"1,", b"a", b"4294967296"])
def test_broken_sequence_sets_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        sequence_set(Cursor(octets))


def test_sequence_sets_have_a_largest_length():
    with pytest.raises(CommandSyntaxError, match="too long"):
        sequence_set(Cursor(b"1,2,3", ImapLimits(ranges=2)))


def test_only_numbers_named_outright_can_exceed():
    assert SequenceSet(((1, 9),)).exceeds(8)
    assert not SequenceSet(((9, 0),)).exceeds(8)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1), st.integers(1, 60))
def test_spans_hold_the_same_numbers_as_the_set(ranges, largest):
    wanted = set()
    for first, last in ranges:
        low, high = sorted((first or largest, last or largest))
        wanted.update(range(low, high + 1))
    spans = SequenceSet(tuple(ranges)).spans(largest)
    assert {number for low, high in spans for number in range(low, high + 1)} == wanted
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(spans))


def test_numbers_are_compacted_in_their_order():
    assert compact([1, 2, 3, 7, 9, 10]) == b"1:3,7,9:10"
    assert compact([5, 4, 3]) == b"5,4,3"
    assert compact([]) == b""


@given(st.lists(st.integers(1, 30), min_size=1))
def test_compacted_numbers_come_back_in_their_order(numbers):
    ranges = sequence_set(Cursor(compact(numbers))).ranges
    assert [number for low, high in ranges for number in range(low, high + 1)] == numbers


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "a/b/c", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("a*c", "a/b/c", True),
        ("%/%", "a/b", True),
        ("*b", "a/b", True),
        ("inbox", "INBOX", True),
        ("InB%", "INBOX", True),
        ("sent", "Sent", False),
        ("a.b", "axb", False),
        ("", "", True),
        ("%*%", "a/b", True),
    ],
)
def test_patterns(pattern, name, fits):
    assert matches(pattern, name, "/") is fits


@pytest.mark.parametrize("pattern", ["%a" * 499 + "b", "*a" * 499 + "b", "%a%" * 333, "a" * 1000 + "%b"])
def test_hostile_patterns_take_linear_time(pattern):
    """A thousand names of a thousand characters: some hundred microseconds for each."""
    started = process_time()
    assert not any(matches(pattern, "a" * 990 + f"/{number:05}c", "/") for number in range(100))
    assert process_time() - started < 1


@given(st.text("ab/*%", max_size=9), st.text("ab/", max_size=9))
def test_patterns_mean_what_a_regular_expression_says(pattern, name):
    wildcards = {"*": ".*", "%": "[^/]*"}
    expression = "".join(wildcards.get(character, re.escape(character)) for character in pattern)
    assert matches(pattern, name, "/") is (re.fullmatch(expression, name) is not None)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"[]", Section()),
        (b"[1.2.3]", Section((1, 2, 3))),
        (b"[header]", Section(text=SectionText.HEADER)),
        (b"[4.1.MIME]", Section((4, 1), SectionText.MIME)),
        (b"[TEXT]", Section(text=SectionText.TEXT)),
        (b'[HEADER.FIELDS (From "To")]', Section((), SectionText.FIELDS, (b"From", b"To"))),
        (b"[3.HEADER.FIELDS.NOT (a)]", Section((3,), SectionText.FIELDS_NOT, (b"a",))),
    ],
)
def test_sections(octets, value):
    assert section(Cursor(octets)) == value
    assert section(Cursor(value.encode())) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"[MIME]",
        b"[0]",
        b"[1.]",
        b"[1.0]",
        b"[HEADER.FIELDS]",
        b"[HEADER.FIELDS ()]",
        b"[HEADER.FIELDS (a:b)]",
        b"[FOO]",
        b"[1",
    ],
)
def test_sections_that_do_not_exist_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        section(Cursor(octets))
