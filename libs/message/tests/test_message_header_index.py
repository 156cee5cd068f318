from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.fields import select_fields
from mailyard.message.headers import HeaderIndex
from mailyard.message.parse import parse_message
from mailyard.message.parts import PartIndex

HEADER = b"From: a@b\r\nSubject: x\r\nX-Odd: 1\r\nDate: now\r\nX-Odd: 2\r\n\r\n"


def index_of(message: bytes, prefix: bytes = b"") -> HeaderIndex:
    return HeaderIndex.decode(parse_message(prefix, message).header_index)


def test_list_columns_are_answered_from_the_index():
    index = index_of(HEADER + b"body")
    assert index.fields([b"Subject", b"FROM"]) == b"From: a@b\r\nSubject: x\r\n\r\n"


def test_the_absence_of_a_field_is_known():
    assert index_of(HEADER + b"body").fields([b"Cc", b"X-Even"]) == b"\r\n"


def test_a_field_that_is_not_kept_makes_the_body_necessary():
    assert index_of(HEADER + b"body").fields([b"From", b"X-Odd"]) is None


def test_all_but_the_fields_that_are_not_kept_can_be_answered():
    index = index_of(HEADER + b"body")
    assert index.fields([b"x-odd", b"date"], negate=True) == b"From: a@b\r\nSubject: x\r\n\r\n"
    assert index.fields([b"date"], negate=True) is None


def test_fields_of_the_prefix_come_first():
    index = index_of(HEADER + b"body", b"Return-Path: <a@b>\r\n")
    assert index.fields([b"return-path", b"date"]) == b"Return-Path: <a@b>\r\nDate: now\r\n\r\n"


def test_a_very_long_field_is_only_named():
    index = index_of(b"To: " + b"a@b, " * 2000 + b"c@d\r\nSubject: x\r\n\r\n")
    assert index.fields([b"to"]) is None
    assert index.fields([b"subject"]) == b"Subject: x\r\n\r\n"


def test_many_fields_do_not_make_the_index_large():
    encoded = parse_message(
        b"", b"Received: x\r\nSubject: %b\r\n" % (b"y" * 100) * 900 + b"\r\n"
    ).header_index
    assert len(encoded) < 17_000


def test_a_header_section_beyond_the_limits_cannot_be_answered():
    index = index_of(b"X: y\r\n" * 2000 + b"Subject: x\r\n\r\n")
    assert index.fields([b"subject"]) is None


def test_lines_without_a_name_are_missing_in_the_index():
    index = index_of(b"From: a@b\r\nno colon here\r\n\r\n")
    assert index.fields([b"from"]) == b"From: a@b\r\n\r\n"
    assert index.fields([b"x"], negate=True) is None


def test_no_octets_at_all_are_an_index_that_knows_nothing():
    assert HeaderIndex.decode(b"").fields([b"from"]) is None


NAMES = [b"From", b"Subject", b"X-Odd", b"To", b"x y", b""]
LINES = st.builds(
    lambda name, value, end: name + b":" + value + end,
    st.sampled_from(NAMES),
    st.sampled_from([b"", b" v", b" v\r\n w", b" \xe4\0"]),
    st.sampled_from([b"\r\n", b"\n", b""]),
)


@given(
    st.lists(LINES, max_size=6).map(b"".join),
    st.sampled_from([b"", b"\r\n", b"\n", b"\r\nbody\r\n\r\n"]),
    st.sets(st.sampled_from([name for name in NAMES if name])),
    st.booleans(),
)
def test_what_the_index_answers_is_what_the_message_says(lines, rest, names, negate):
    parsed = parse_message(b"", lines + rest)
    span = PartIndex.decode(parsed.part_index).locate("HEADER")
    answer = HeaderIndex.decode(parsed.header_index).fields(names, negate)
    if answer is not None:
        assert answer == select_fields((lines + rest)[: span.end], names, negate=negate)
