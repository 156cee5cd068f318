"""Octets that wait: lines with a limit, line ends, counted octets; nothing is lost and nothing is read twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.server.inputbuffer import BareNewlineError, InputBuffer, LineTooLongError
from mailyard.smtp.server.limits import BareNewline

LINES = st.lists(st.binary(max_size=20).map(lambda octets: octets.translate(None, b"\r\n")), max_size=8)


def buffer_of(octets: bytes, bare_newline: BareNewline = BareNewline.REJECT) -> InputBuffer:
    buffer = InputBuffer(bare_newline)
    buffer.feed(octets)
    return buffer


def all_lines(buffer: InputBuffer, limit: int = 100) -> list[bytes]:
    found = []
    while (line := buffer.line(limit)) is not None:
        found.append(line)
    return found


@given(LINES, st.integers(1, 50))
def test_lines_come_out_in_order_whatever_the_segments(lines: list[bytes], step: int) -> None:
    octets = b"".join(line + b"\r\n" for line in lines) + b"rest"
    buffer, found = InputBuffer(BareNewline.REJECT), []
    for at in range(0, len(octets), step):
        buffer.feed(octets[at : at + step])
        found += all_lines(buffer)
    assert found == lines
    assert buffer.take_all() == b"rest"
    assert len(buffer) == 0


@pytest.mark.parametrize("octets", [b"", b"NOOP", b"NOOP\r"])
def test_an_incomplete_line_waits(octets: bytes) -> None:
    buffer = buffer_of(octets)
    assert buffer.line(100) is None
    assert len(buffer) == len(octets)
    buffer.feed(b"\r\n" if not octets.endswith(b"\r") else b"\n")
    assert buffer.line(100) == octets.removesuffix(b"\r")


@pytest.mark.parametrize(("length", "fits"), [(8, True), (9, False)])
@pytest.mark.parametrize("step", [1, 4, 100])
def test_the_limit_of_a_line_counts_its_crlf(length: int, fits: bool, step: int) -> None:
    octets = b"x" * length + b"\r\n"
    buffer, line = InputBuffer(BareNewline.REJECT), None
    try:
        for at in range(0, len(octets), step):
            buffer.feed(octets[at : at + step])
            line = line or buffer.line(10)
    except LineTooLongError:
        assert not fits
    else:
        assert fits
        assert line == b"x" * length


def test_a_line_that_is_too_long_is_dropped_up_to_its_end_and_costs_no_memory() -> None:
    buffer = buffer_of(b"x" * 10)
    with pytest.raises(LineTooLongError):
        buffer.line(10)
    for _ in range(1000):
        buffer.feed(b"y" * 100)
        assert buffer.line(10) is None
        assert len(buffer) == 0
    buffer.feed(b"z\r\nNOOP\r\n")
    assert buffer.line(10) == b"NOOP"


def test_a_line_that_is_too_long_is_reported_once() -> None:
    buffer = buffer_of(b"x" * 30 + b"\r\n" + b"y" * 30 + b"\r\nNOOP\r\n")
    reports = 0
    while True:
        try:
            line = buffer.line(10)
        except LineTooLongError:
            reports += 1
        else:
            break
    assert (reports, line) == (2, b"NOOP")


@pytest.mark.parametrize("octets", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"\rNOOP\r\n", b"\n"])
def test_a_bare_newline_in_a_line_is_refused_and_the_next_line_is_read(octets: bytes) -> None:
    buffer = buffer_of(octets + b"QUIT\r\n")
    with pytest.raises(BareNewlineError):
        buffer.line(100)
    assert buffer.line(100) == b"QUIT"


@pytest.mark.parametrize(
    ("octets", "line"), [(b"NOOP\n", b"NOOP"), (b"\n", b""), (b"NOOP\r\n", b"NOOP"), (b"a\0b\n", b"a\0b")]
)
def test_a_bare_lf_ends_a_line_where_it_is_repaired(octets: bytes, line: bytes) -> None:
    assert buffer_of(octets, BareNewline.REPAIR).line(100) == line


@pytest.mark.parametrize("octets", [b"NO\rOP\r\n", b"NOOP\r\r\n", b"NO\rOP\n"])
def test_a_bare_cr_in_a_line_is_never_repaired(octets: bytes) -> None:
    with pytest.raises(BareNewlineError):
        buffer_of(octets, BareNewline.REPAIR).line(100)


def test_octets_are_taken_up_to_a_number() -> None:
    buffer = buffer_of(b"abcdef")
    assert buffer.take(0) == b""
    assert buffer.take(2) == b"ab"
    buffer.feed(b"gh")
    assert len(buffer) == 6
    assert buffer.take(100) == b"cdefgh"
    assert buffer.take(100) == b""


def test_lines_and_octets_alternate() -> None:
    buffer = buffer_of(b"BDAT 3\r\na\r\nNOOP\r\nend")
    assert buffer.line(100) == b"BDAT 3"
    assert buffer.take(3) == b"a\r\n"
    assert buffer.line(100) == b"NOOP"
    assert buffer.take_all() == b"end"
    assert buffer.take_all() == b""


def test_clearing_forgets_waiting_octets_and_a_line_that_is_being_dropped() -> None:
    buffer = buffer_of(b"x" * 20)
    with pytest.raises(LineTooLongError):
        buffer.line(10)
    buffer.clear()
    assert len(buffer) == 0
    buffer.feed(b"NOOP\r\n")
    assert buffer.line(10) == b"NOOP"
