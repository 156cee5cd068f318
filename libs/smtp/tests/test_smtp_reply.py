"""Replies: RFC 5321 section 4.2, RFC 2034."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.reply import MAX_REPLY_LINE, MAX_REPLY_LINES, Reply, ReplyError, parse_reply, reply

TEXTS = st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=60)


def test_a_reply_of_one_line() -> None:
    assert reply(250, "2.1.0", "Ok").wire == b"250 2.1.0 Ok\r\n"


def test_every_line_of_a_reply_repeats_code_and_enhanced_code() -> None:
    assert reply(550, "5.7.1", "No.", "Really.").wire == b"550-5.7.1 No.\r\n550 5.7.1 Really.\r\n"


def test_a_reply_without_text_keeps_the_space_behind_the_code() -> None:
    assert Reply(334, None, ()).wire == b"334 \r\n"


def test_a_reply_cannot_smuggle_another_one() -> None:
    with pytest.raises(ValueError, match="no line ends"):
        reply(250, None, "Ok\r\n250 more")


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"250 Ok\r\n", reply(250, None, "Ok")),
        (b"250 2.0.0 Ok\r\n", reply(250, "2.0.0", "Ok")),
        (b"250\r\n", reply(250, None, "")),
        (b"250 2.0.0\r\n", reply(250, "2.0.0", "")),
        (b"250-a\r\n250-b\r\n250 c\r\n", reply(250, None, "a", "b", "c")),
        (b"550-5.1.1 No\r\n550 5.1.1 such user\r\n", reply(550, "5.1.1", "No", "such user")),
        (b"550 bare LF is read too\n", reply(550, None, "bare LF is read too")),
        (b"250 5.1.1 a class that contradicts the code is text\r\n",
         reply(250, None, "5.1.1 a class that contradicts the code is text")),
        (b"250 a\x00b\x1bc\xff\r\n", reply(250, None, "a?b?c\ufffd")),
    ],
)  # fmt: skip
def test_what_servers_say_is_read(octets: bytes, expected: Reply) -> None:
    assert parse_reply(octets + b"rest") == (expected, len(octets))


@pytest.mark.parametrize("octets", [b"", b"2", b"250", b"250 Ok\r", b"250-a\r\n", b"250-a\r\n250 b"])
def test_an_incomplete_reply_waits_for_more(octets: bytes) -> None:
    assert parse_reply(octets) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"150 x\r\n",
        b"2500 x\r\n",
        b"250-a\r\n251 b\r\n",
        b"250 " + b"x" * MAX_REPLY_LINE + b"\r\n",
        b"250 " + b"x" * MAX_REPLY_LINE,
        b"250-x\r\n" * (MAX_REPLY_LINES + 1),
    ],
)
def test_what_is_no_reply_or_too_long_is_refused(octets: bytes) -> None:
    with pytest.raises(ReplyError):
        parse_reply(octets)


@given(st.integers(200, 599), st.lists(TEXTS, min_size=1, max_size=5), st.booleans())
def test_what_is_encoded_is_read_again(code: int, lines: list[str], enhanced: bool) -> None:
    status = f"{str(code)[0]}.1.5" if enhanced and str(code)[0] in "245" else None
    said = Reply(code, status, tuple(lines))
    found = parse_reply(said.wire)
    assert found is not None
    assert found[1] == len(said.wire)
    assert found[0].wire == said.wire


@given(st.binary(max_size=200))
def test_no_octets_make_the_reader_fail_otherwise(octets: bytes) -> None:
    try:
        parse_reply(octets)
    except ReplyError:
        return
