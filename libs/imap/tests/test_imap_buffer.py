"""The byte buffer: every read has a maximum, and no octet is looked at twice."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.imap.server.buffer import ByteBuffer, LineTooLong


def filled(*pieces: bytes) -> ByteBuffer:
    buffer = ByteBuffer()
    for piece in pieces:
        buffer.feed(piece)
    return buffer


def test_a_line_is_read_when_its_end_is_there():
    buffer = filled(b"ab")
    assert buffer.read_line(10) is None
    buffer.feed(b"c\r\nd")
    assert buffer.read_line(10) == b"abc\r\n"
    assert buffer.read_line(10) is None
    assert len(buffer) == 1


def test_a_line_may_have_exactly_the_maximum():
    assert filled(b"abc\n").read_line(4) == b"abc\n"
    with pytest.raises(LineTooLong):
        filled(b"abcd\n").read_line(4)
    with pytest.raises(LineTooLong):
        filled(b"abcd").read_line(4)


def test_some_octets_and_exactly_so_many():
    buffer = filled(b"abcdef")
    assert buffer.read_some(2) == b"ab"
    assert buffer.read_exactly(5) is None
    assert buffer.read_exactly(3) == b"cde"
    assert (buffer.read_some(9), buffer.read_some(9)) == (b"f", b"")


def test_octets_that_were_dropped_are_gone():
    buffer = filled(b"abc")
    assert buffer.read_line(10) is None
    buffer.clear()
    buffer.feed(b"\n")
    assert buffer.read_line(10) == b"\n"


@given(st.lists(st.binary(max_size=5)))
def test_lines_are_the_same_at_any_split(pieces):
    whole, split = filled(b"".join(pieces)), ByteBuffer()
    lines = []
    for piece in pieces:
        split.feed(piece)
        while (line := split.read_line(1_000)) is not None:
            lines.append(line)
    assert lines == list(iter(lambda: whole.read_line(1_000), None))


def test_a_long_line_in_small_pieces_takes_linear_time():
    buffer = ByteBuffer()
    started = time.process_time()
    for _ in range(100_000):
        buffer.feed(b"xxxxxxxxxx")
        assert buffer.read_line(2_000_000) is None
    assert time.process_time() - started < 5
