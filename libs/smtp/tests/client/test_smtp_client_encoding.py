"""What goes out behind 354: dot stuffing and line ends, whatever the division into chunks."""

import re
import time

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
    lines = re.split(rb"\r\n|\r|\n", message.replace(b"\0", b"?"))
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
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(pieces).replace(b"\0", b"?"))
    assert content == lines + (b"" if lines.endswith(b"\r\n") or not lines else b"\r\n")


@given(PIECES)
@settings(deadline=None)
def test_no_bare_line_end_ever_goes_out_and_each_is_counted(pieces: list[bytes]) -> None:
    stuffer = DotStuffer()
    wire = encoded(stuffer, pieces)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    assert stuffer.repaired == len(re.findall(rb"\r(?!\n)|(?<!\r)\n|\0", b"".join(pieces)))


@given(PIECES)
@settings(deadline=None)
def test_text_for_bdat_is_repaired_and_not_stuffed(pieces: list[bytes]) -> None:
    assert encoded(LineRepairer(), pieces) == re.sub(
        rb"\r\n|\r|\n", b"\r\n", b"".join(pieces).replace(b"\0", b"?")
    )


def test_binary_octets_stay_as_they_are() -> None:
    verbatim = Verbatim()
    assert verbatim.feed(b"a\n\0.") + verbatim.finish() == b"a\n\0."


def test_bdat_counts_the_octets() -> None:
    assert bdat(b"abc") == b"BDAT 3\r\nabc"
    assert bdat(b"", last=True) == b"BDAT 0 LAST\r\n"


@pytest.mark.parametrize("smuggled", [b"\r\n\0.\r\n", b"\0\r\n.\0\r\n", b"\r\n.\0\r\n", b"\r\0\n.\r\n"])
def test_nul_never_goes_out_and_ends_nothing(smuggled: bytes) -> None:
    for encoder in (DotStuffer(), LineRepairer()):
        wire = encoded(encoder, [b"a" + smuggled + b"MAIL FROM:<>\r\n"])
        assert b"\0" not in wire
        assert encoder.repaired
    wire = encoded(DotStuffer(), [b"a" + smuggled + b"b"])
    assert re.findall(rb"(?:^|\r\n)\.\r\n", wire) == [b"\r\n.\r\n"]
    assert wire.endswith(b"b\r\n.\r\n")


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        (b"x" * 998, b"x" * 998),
        (b"x" * 999, b"x" * 998 + b"\r\n x"),
        (b"x" * 3000, b"x" * 998 + (b"\r\n " + b"x" * 997) * 2 + b"\r\n " + b"x" * 8),
        (b"x" * 700 + b" " + b"y" * 700, b"x" * 700 + b"\r\n " + b"y" * 700),
        (b"x" * 700 + b"\t" + b"y" * 700, b"x" * 700 + b"\r\n\t" + b"y" * 700),
        (b"x" * 499 + b" " + b"y" * 700, b"x" * 499 + b" " + b"y" * 498 + b"\r\n " + b"y" * 202),
        (b"x" * 998 + b" y", b"x" * 998 + b"\r\n y"),
        (b"x" * 997 + "é".encode() * 2, b"x" * 997 + b"\r\n " + "éé".encode()),
        (b"x" * 995 + "😀".encode(), b"x" * 995 + b"\r\n " + "😀".encode()),
        (b"." * 1000, b"." * 998 + b"\r\n .."),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 499, 500, 997, 998, 999, 1000, 5000])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r"])
def test_a_long_line_is_folded_whatever_the_chunks(line: bytes, folded: bytes, size: int, end: bytes) -> None:
    text = b"Subject: y\r\n\r\n" + line + end
    expected = b"Subject: y\r\n\r\n" + folded + (b"\r\n" if end else b"")
    repairer = LineRepairer()
    assert encoded(repairer, [text[at : at + size] for at in range(0, len(text), size)]) == expected


@given(st.lists(st.sampled_from([b"x" * 400, b"\xc3\xa9" * 300, b" ", b"\r\n", b"y"]), max_size=30))
@settings(deadline=None)
def test_no_line_is_longer_than_998_octets_and_nothing_is_lost(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    wire = encoded(LineRepairer(), pieces)
    assert wire == encoded(LineRepairer(), [text])
    assert all(len(line) <= 998 for line in wire.split(b"\r\n"))
    assert re.sub(rb"\s", b"", wire) == re.sub(rb"\s", b"", text)


def test_folding_takes_time_that_grows_with_the_octets_only() -> None:
    text = b"x" * 8_000_000
    began = time.process_time()
    encoded(DotStuffer(), [text[at : at + 65536] for at in range(0, len(text), 65536)])
    assert time.process_time() - began < 2.0
