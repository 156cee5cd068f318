from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.fields import first_value, header_end, scan_fields, select_fields

HEADER = b"From: a@b\r\nSubject: one\r\n two\r\nto : c@d\r\nsubject: three\r\n\r\n"


def test_fields_keep_their_octets_and_know_their_name_and_value():
    fields = scan_fields(HEADER)
    assert [field.name for field in fields] == [b"from", b"subject", b"to", b"subject"]
    assert [field.value for field in fields] == [b"a@b", b"one two", b"c@d", b"three"]
    assert b"".join(field.raw for field in fields) + b"\r\n" == HEADER


def test_the_first_field_of_a_name_counts():
    assert first_value(scan_fields(HEADER), b"subject") == b"one two"
    assert first_value(scan_fields(HEADER), b"cc") is None


def test_a_line_without_a_colon_is_a_field_without_a_name():
    assert [field.name for field in scan_fields(b"From a@b Mon\r\nTo: c\r\n")] == [b"", b"to"]


def test_a_continuation_at_the_start_has_no_name():
    assert [field.name for field in scan_fields(b" x: y\r\nTo: c\r\n")] == [b"", b"to"]


def test_bare_line_feeds_end_lines():
    assert [field.value for field in scan_fields(b"A: 1\nB: 2\n 3\n\n")] == [b"1", b"2 3"]


def test_a_last_line_without_an_end_is_a_field():
    assert [field.raw for field in scan_fields(b"A: 1\r\nB: 2")] == [b"A: 1\r\n", b"B: 2"]


def test_no_more_fields_than_the_limit_are_read():
    assert len(scan_fields(b"A: 1\r\n" * 50, limit=10)) == 10


def test_the_body_begins_behind_the_first_empty_line():
    for data, expected in [
        (b"A: 1\r\n\r\nbody", 8),
        (b"A: 1\n\nbody\r\n\r\n", 6),
        (b"\r\nbody", 2),
        (b"\nbody", 1),
        (b"A: 1\r\n", 6),
        (b"A: 1", 4),
        (b"", 0),
        (b"A: 1\r\n \r\nB: 2\r\n\r\n", 17),
    ]:
        assert header_end(data, 0, len(data)) == expected, data


def test_header_fields_are_chosen_by_name_in_their_order_with_the_empty_line():
    assert select_fields(HEADER, [b"SUBJECT", b"From"]) == (
        b"From: a@b\r\nSubject: one\r\n two\r\nsubject: three\r\n\r\n"
    )
    assert select_fields(HEADER, [b"subject", b"from"], negate=True) == b"to : c@d\r\n\r\n"
    assert select_fields(HEADER, [b"cc"]) == b"\r\n"


def test_a_header_section_without_empty_line_gets_none():
    assert select_fields(b"A: 1\r\nB: 2\r\n", [b"a"]) == b"A: 1\r\n"


@given(
    st.lists(st.sampled_from([b"A", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"x", b"\0", b"\xe4"])).map(
        b"".join
    )
)
def test_fields_are_the_header_section_in_pieces(header):
    fields = scan_fields(header, len(header) + 1)
    joined = b"".join(field.raw for field in fields)
    assert header.startswith(joined)
    assert header[len(joined) :] in (b"", b"\n", b"\r\n")
    assert select_fields(header, [], negate=True) == header
