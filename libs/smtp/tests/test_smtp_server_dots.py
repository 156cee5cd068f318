"""The end of DATA and stuffed dots (RFC 5321 section 4.5.2), whatever the borders of what was read."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from mailyard.smtp.server.dots import DotReader

# Octets that matter, in every mixture, and borders anywhere.
TRICKY = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"x", b"\0", b"\xff"]), max_size=40
).map(b"".join)
BORDERS = st.lists(st.integers(0, 120), max_size=12).map(sorted)


def pieces(octets: bytes, borders: list[int]) -> list[bytes]:
    ends = [*borders, len(octets)]
    return [octets[start:end] for start, end in zip([0, *borders], ends, strict=True)]


def read(chunks: list[bytes]) -> tuple[bytes, bytes | None]:
    reader, content = DotReader(), b""
    for number, chunk in enumerate(chunks):
        text, rest = reader.feed(chunk)
        content += text
        if rest is not None:
            return content, rest + b"".join(chunks[number + 1 :])
    return content, None


def slowly(octets: bytes) -> tuple[bytes, bytes] | None:
    """The rule in other words: after CRLF (or at the beginning) a dot goes; alone on its line it ends the message."""
    whole = b"\r\n" + octets
    end = whole.find(b"\r\n.\r\n")
    if end < 0:
        return None
    content = re.sub(rb"\r\n\.", b"\r\n", whole[: end + 2])
    return content[2:], whole[end + 5 :]


@given(TRICKY, TRICKY, BORDERS)
@example(b".", b"", [1])
@example(b"..", b"", [1])
@example(b"\r\n.", b"", [0, 1, 2, 3])
@example(b"a\r\n", b".\r\n", [3])
def test_any_split_gives_the_same_content_and_rest(text: bytes, more: bytes, borders: list[int]) -> None:
    octets = text + b"\r\n.\r\n" + more
    assert read(pieces(octets, borders)) == slowly(octets)


@given(st.binary(max_size=300), BORDERS)
def test_what_was_stuffed_comes_out_octet_for_octet(octets: bytes, borders: list[int]) -> None:
    message = octets.replace(b"\r\n.\r\n", b"") + b"\r\n"
    stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    assert read(pieces(stuffed + b".\r\n", borders)) == (message, b"")


@given(TRICKY, BORDERS)
def test_without_an_end_all_but_a_possible_beginning_of_it_is_handed_on(
    text: bytes, borders: list[int]
) -> None:
    octets = text.replace(b"\r\n.\r\n", b"").removeprefix(b".\r\n")
    content, rest = read(pieces(octets, borders))
    if slowly(octets) is None:
        assert rest is None
        unstuffed = re.sub(rb"\r\n\.", b"\r\n", b"\r\n" + octets)[2:]
        held = len(unstuffed) - len(content)
        assert unstuffed.startswith(content)
        assert held <= 3


def test_a_line_of_any_length_passes() -> None:
    line = b"x" * 3_000_000
    assert read([line, line, b"\r\n.\r\n"]) == (line + line + b"\r\n", b"")
