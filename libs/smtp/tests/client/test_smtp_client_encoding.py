"""What goes out behind 354: dot stuffing and line ends, whatever the division into chunks."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.smtp.client.encoding import DotStuffer, LineRepairer, Verbatim, bdat
from mailyard.smtp.server.dots import DotReader

PIECES = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\0\xff", b""]), max_size=40)


def encoded(encoder: DotStuffer | LineRepairer, pieces: list[bytes]) -> bytes:
    return b"".join([encoder.feed(piece) for piece in pieces] + [encoder.finish()])


def reference(message: bytes) -> bytes:
    """RFC 5321 section 4.5.2, line by line."""
    lines = re.split(rb"\r\n|\r|\n", message)
    if lines[-1] == b"":
        lines.pop()
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    return b"".join(line + b"\r\n" for line in stuffed) + b".\r\n"


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n.\r\n", b"..\r\n..\r\n.\r\n"),
        (b"a.\r\n.b", b"a.\r\n..b\r\n.\r\n"),
        (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
        (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
    ],
)
def test_a_message_is_stuffed_and_ended(message: bytes, wire: bytes) -> None:
    assert encoded(DotStuffer(), [message]) == wire


@given(PIECES)
@settings(deadline=None)
def test_the_division_into_chunks_does_not_matter(pieces: list[bytes]) -> None:
    assert encoded(DotStuffer(), pieces) == reference(b"".join(pieces))


@given(PIECES)
@settings(deadline=None)
def test_a_server_reads_exactly_one_message_with_the_same_lines(pieces: list[bytes]) -> None:
    wire = encoded(DotStuffer(), pieces)
    content, rest = DotReader().feed(wire + b"QUIT\r\n")
    assert rest == b"QUIT\r\n"
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(pieces))
    assert content == lines + (b"" if lines.endswith(b"\r\n") or not lines else b"\r\n")


@given(PIECES)
@settings(deadline=None)
def test_no_bare_line_end_ever_goes_out_and_each_is_counted(pieces: list[bytes]) -> None:
    stuffer = DotStuffer()
    wire = encoded(stuffer, pieces)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    assert stuffer.repaired == len(re.findall(rb"\r(?!\n)|(?<!\r)\n", b"".join(pieces)))


@given(PIECES)
@settings(deadline=None)
def test_text_for_bdat_is_repaired_and_not_stuffed(pieces: list[bytes]) -> None:
    assert encoded(LineRepairer(), pieces) == re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(pieces))


def test_binary_octets_stay_as_they_are() -> None:
    verbatim = Verbatim()
    assert verbatim.feed(b"a\n\0.") + verbatim.finish() == b"a\n\0."


def test_bdat_counts_the_octets() -> None:
    assert bdat(b"abc") == b"BDAT 3\r\nabc"
    assert bdat(b"", last=True) == b"BDAT 0 LAST\r\n"
