"""The octets of one message while they stream by: line ends, NUL, size, and what a refusal means for the rest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.reply import Reply
from mailyard.smtp.server.content import Content
from mailyard.smtp.server.limits import BareNewline, NulOctet
from mailyard.smtp.server.replies import BARE_NEWLINE, MESSAGE_TOO_BIG, NOT_HERE, NUL_OCTET

PIECES = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b"\0", b".", b""]), max_size=30)


def kept(content: Content, pieces: list[bytes]) -> bytes:
    return b"".join([content.take(piece) for piece in pieces] + [content.finish()])


def content_for(
    limit: int = 1000,
    newlines: BareNewline | None = BareNewline.REJECT,
    nul: NulOctet | None = NulOctet.REPLACE,
) -> Content:
    return Content(limit, newlines, nul)


@pytest.mark.parametrize(
    "octets", [b"", b"a", b"a\r\n", b"\r\n\r\n", b"a\tb\x7f\x01\x80\xff\r\n", b"x" * 998 + b"\r\n"]
)
@pytest.mark.parametrize("newlines", list(BareNewline))
def test_proper_text_passes_unchanged(octets: bytes, newlines: BareNewline) -> None:
    content = content_for(newlines=newlines)
    assert kept(content, [octets]) == octets
    assert (content.size, content.seen, content.refusal) == (len(octets), len(octets), None)


@pytest.mark.parametrize(
    "octets", [b"\n", b"\r", b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"a\n\r\n", b"\n\r", b"a\r\n\r"]
)
def test_a_bare_newline_refuses_the_message(octets: bytes) -> None:
    content = content_for()
    assert b"\n" not in kept(content, [octets]).replace(b"\r\n", b"")
    assert content.refusal == BARE_NEWLINE


@pytest.mark.parametrize(
    ("octets", "repaired"),
    [
        (b"\n", b"\r\n"),
        (b"\r", b"\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n"),
        (b"a\n\r\n", b"a\r\n\r\n"),
        (b"a\n.\nb", b"a\r\n.\r\nb"),
        (b"\n\r", b"\r\n\r\n"),
    ],
)
def test_a_bare_newline_becomes_a_line_end_where_it_is_repaired(octets: bytes, repaired: bytes) -> None:
    content = content_for(newlines=BareNewline.REPAIR)
    assert kept(content, [octets]) == repaired
    assert content.size == len(repaired)


@given(PIECES)
def test_repaired_text_has_no_bare_newline_whatever_the_division(pieces: list[bytes]) -> None:
    whole = b"".join(pieces).replace(b"\0", b"?")
    assert kept(content_for(newlines=BareNewline.REPAIR), pieces) == re.sub(rb"\r\n|\r|\n", b"\r\n", whole)


@given(PIECES)
def test_the_division_does_not_decide_whether_a_message_is_refused(pieces: list[bytes]) -> None:
    divided, whole = content_for(), content_for()
    kept(divided, pieces)
    kept(whole, [b"".join(pieces)])
    is_bare = re.search(rb"\r(?!\n)|(?<!\r)\n", b"".join(pieces)) is not None
    assert divided.refusal == whole.refusal == (BARE_NEWLINE if is_bare else None)


def test_a_cr_at_the_end_waits_for_what_follows() -> None:
    content = content_for()
    assert content.take(b"a\r") == b"a"
    assert content.take(b"\nb\r") == b"\r\nb"
    assert content.finish() == b""
    assert content.refusal == BARE_NEWLINE


def test_a_cr_at_the_end_is_repaired_when_nothing_follows() -> None:
    content = content_for(newlines=BareNewline.REPAIR)
    assert content.take(b"a\r") == b"a"
    assert content.finish() == b"\r\n"
    assert content.finish() == b""


def test_each_nul_is_replaced_and_counted() -> None:
    content = content_for()
    assert kept(content, [b"a\0\0b\r\n", b"\0"]) == b"a??b\r\n?"
    assert content.nul_octets == 3
    assert content.refusal is None


def test_a_nul_refuses_the_message_where_the_listener_says_so() -> None:
    content = content_for(nul=NulOctet.REJECT)
    assert kept(content, [b"a\r\n", b"b\0c\r\n", b"d"]) == b"a\r\n"
    assert content.refusal == NUL_OCTET
    assert content.nul_octets == 0


def test_binary_octets_are_not_looked_at() -> None:
    octets = bytes(range(256)) + b"\r\r\n\n"
    content = content_for(newlines=None, nul=None)
    assert kept(content, [octets]) == octets
    assert content.refusal is None


@pytest.mark.parametrize(("limit", "refusal"), [(10, None), (9, MESSAGE_TOO_BIG)])
@pytest.mark.parametrize("step", [1, 3, 10])
def test_a_message_may_be_as_big_as_the_limit_and_no_bigger(
    limit: int, refusal: Reply | None, step: int
) -> None:
    octets = b"12345678\r\n"
    content = content_for(limit)
    kept(content, [octets[at : at + step] for at in range(0, len(octets), step)])
    assert content.refusal == refusal
    assert content.seen == 10


def test_line_ends_that_were_added_count_for_the_limit() -> None:
    content = content_for(4, BareNewline.REPAIR)
    kept(content, [b"\n\n\n"])
    assert content.refusal == MESSAGE_TOO_BIG


def test_after_a_refusal_octets_are_counted_and_not_kept() -> None:
    content = content_for()
    content.refuse(NOT_HERE)
    assert content.take(b"abc") == b""
    assert content.finish() == b""
    assert (content.size, content.seen) == (0, 3)


def test_the_first_refusal_stays() -> None:
    content = content_for(1)
    content.take(b"a\nb")
    content.take(b"too much")
    content.refuse(MESSAGE_TOO_BIG)
    assert content.refusal == BARE_NEWLINE
