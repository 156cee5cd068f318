"""BDAT (RFC 3030): chunks of counted octets, their limits, their refusals, and what follows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.server.events import BodyData, Closing, InputRefused, MessageAborted, MessageEnd
from mailyard.smtp.server.limits import EarlyData, Mode, Profile, SmtpLimits

ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n"
BINARY = b"EHLO c\r\nMAIL FROM:<a@a.example> BODY=BINARYMIME\r\nRCPT TO:<b@b.example>\r\n"
SMALL = Profile(Mode.MX, "mx", SmtpLimits(message_size=10))


def chunk(octets: bytes, *, last: bool = False) -> bytes:
    return b"BDAT %d%b\r\n%b" % (len(octets), b" LAST" if last else b"", octets)


@pytest.mark.parametrize(
    "command",
    [b"BDAT 3 LAST", b"bdat 3 last", b"BDAT 003 LAST", b"BDAT  3 LAST", b"BDAT 3  LAST", b"BDAT 3 LAST  "],
)
def test_a_chunk_command_is_read_in_any_case_and_with_more_spaces(conversation, command: bytes) -> None:
    opened = conversation()
    opened.send(ENVELOPE)
    assert opened.codes(command + b"\r\nabc") == [250]
    assert opened.messages == [b"abc"]


@pytest.mark.parametrize(
    "command",
    [b"BDAT", b"BDAT LAST", b"BDAT -1", b"BDAT +1", b"BDAT 0x3", b"BDAT 3LAST", b"BDAT 3 LAST x", b"BDAT 3 FIRST",
     b"BDAT 3.0", b"BDAT 1,000", b"BDAT " + b"9" * 21, "BDAT ٣".encode()],
)  # fmt: skip
def test_a_chunk_without_a_size_ends_the_connection(conversation, command: bytes) -> None:
    """Where its octets end is unknown: they must not run as commands."""
    opened = conversation()
    opened.send(ENVELOPE)
    assert opened.codes(command + b"\r\nMAIL FROM:<evil@a.example>\r\n") == [501]
    assert opened.events[-1] == Closing()
    assert opened.codes(b"NOOP\r\n") == []


@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=6),
    st.lists(st.integers(0, 400), max_size=10).map(sorted),
)
def test_binary_octets_arrive_whatever_the_chunks_and_segments(
    conversation, pieces: list[bytes], borders: list[int]
) -> None:
    opened = conversation()
    opened.send(BINARY)
    octets = b"".join(chunk(piece) for piece in pieces[:-1]) + chunk(pieces[-1], last=True)
    ends = [*borders, len(octets)]
    segments = [octets[start:end] for start, end in zip([0, *borders], ends, strict=True)]
    assert opened.codes(*segments) == [250] * len(pieces)
    assert opened.messages == [b"".join(pieces)]


@pytest.mark.parametrize(
    "pieces", [[b"a\r", b"\nb\r\n"], [b"a\r\n.", b"\r\nb\r\n"], [b"", b"a", b"", b""], [b"\r\n", b".\r\n"]]
)
def test_borders_of_chunks_are_no_borders_of_lines(conversation, pieces: list[bytes]) -> None:
    opened = conversation()
    opened.send(ENVELOPE)
    octets = b"".join(map(chunk, pieces)) + chunk(b"", last=True)
    assert opened.codes(octets) == [250] * (len(pieces) + 1)
    assert opened.messages == [b"".join(pieces)]


def test_a_cr_at_the_end_of_the_last_chunk_is_a_bare_newline(conversation) -> None:
    opened = conversation()
    opened.send(ENVELOPE)
    assert opened.codes(chunk(b"a\r"), chunk(b"", last=True)) == [250, 550]
    assert opened.messages == []


def test_each_chunk_is_answered_with_its_octets(conversation) -> None:
    opened = conversation()
    opened.send(ENVELOPE)
    assert opened.send(chunk(b"abc") + chunk(b"") + chunk(b"defgh", last=True)) == [
        "250 2.0.0 3 octets received",
        "250 2.0.0 0 octets received",
        "250 2.0.0 Ok",
    ]
    assert opened.seen(MessageEnd) == [MessageEnd(8)]


@pytest.mark.parametrize(
    ("sizes", "codes"),
    [
        ([10], [250]),
        ([5, 5], [250, 250]),
        ([11], [552]),
        ([5, 6], [250, 552]),
        ([10, 0], [250, 250]),
        ([10, 1], [250, 552]),
    ],
)
def test_the_sum_of_the_chunks_has_the_limit_of_a_message(
    conversation, sizes: list[int], codes: list[int]
) -> None:
    opened = conversation(SMALL)
    opened.send(ENVELOPE)
    chunks = [chunk(b"x" * size, last=number == len(sizes)) for number, size in enumerate(sizes, 1)]
    assert opened.codes(*chunks) == codes
    assert len(opened.messages) == (552 not in codes)
    assert len(opened.seen(MessageAborted)) == (552 in codes)


def test_a_chunk_that_is_too_big_is_refused_behind_its_octets(conversation) -> None:
    opened = conversation(SMALL)
    opened.send(ENVELOPE)
    assert opened.codes(b"BDAT 11 LAST\r\n" + b"x" * 10) == []
    assert opened.seen(MessageAborted) == [MessageAborted()]
    assert not opened.seen(BodyData)
    assert opened.codes(b"x") == [552]
    assert opened.session.mail is None
    assert opened.codes(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n" + chunk(b"x", last=True)) == [
        250,
        250,
        250,
    ]


@pytest.mark.parametrize("size", [SMALL.most_octets, SMALL.most_octets + 1])
def test_a_chunk_far_beyond_the_limit_is_not_awaited(conversation, size: int) -> None:
    opened = conversation(SMALL)
    opened.send(ENVELOPE)
    codes = opened.codes(b"BDAT %d LAST\r\n" % size)
    assert codes == ([552] if size > SMALL.most_octets else [])
    assert (Closing(is_unread=True) in opened.events) == (size > SMALL.most_octets)


def test_a_failed_chunk_fails_those_that_are_pipelined_behind_it(conversation) -> None:
    """RFC 3030 section 2: the chunks after a failed one are refused as well, and none of their octets is a command."""
    opened = conversation()
    opened.send(ENVELOPE)
    pipelined = chunk(b"a\nb") + chunk(b"QUIT\r\n") + chunk(b"NOOP\r\n", last=True) + b"NOOP\r\n"
    assert opened.codes(pipelined) == [550, 503, 503, 250]
    refusals = [(event.verb, event.reply.code) for event in opened.seen(InputRefused)]
    assert refusals == [("BDAT", 550), ("BDAT", 503), ("BDAT", 503)]
    assert opened.messages == []


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (b"", "Say EHLO or HELO first"),
        (b"EHLO c\r\n", "Need MAIL first"),
        (b"EHLO c\r\nMAIL FROM:<a@a.example>\r\n", "No valid recipients"),
        (b"EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<unknown@b.example>\r\n", "No valid recipients"),
    ],
)
def test_octets_of_a_chunk_that_is_not_allowed_are_dropped(conversation, before: bytes, text: str) -> None:
    opened = conversation()
    opened.send(before)
    assert opened.send(chunk(b"RSET\r\nQUIT\r\n"), b"NOOP\r\n") == [f"503 5.5.1 {text}", "250 2.0.0 Ok"]
    assert not opened.seen(BodyData)


def test_data_cannot_follow_a_chunk_and_the_chunks_go_on(conversation) -> None:
    opened = conversation()
    opened.send(ENVELOPE + chunk(b"ab"))
    assert opened.codes(b"DATA\r\n", chunk(b"cd", last=True)) == [503, 250]
    assert opened.messages == [b"abcd"]


def test_a_binary_message_is_refused_by_data_and_taken_by_chunks(conversation) -> None:
    opened = conversation()
    opened.send(BINARY)
    assert opened.codes(b"DATA\r\n") == [503]
    assert opened.codes(chunk(b"\0\r\n\n\r", last=True)) == [250]
    assert opened.messages == [b"\0\r\n\n\r"]


def test_a_client_may_send_chunks_early_where_it_must_wait_for_354(conversation) -> None:
    opened = conversation(Profile(Mode.MX, "mx", early_data=EarlyData.REJECT))
    assert opened.codes(ENVELOPE + chunk(b"hi", last=True)) == [250, 250, 250, 250]


def test_a_connection_that_ends_within_a_chunk_gives_no_message(conversation) -> None:
    opened = conversation()
    opened.send(ENVELOPE + b"BDAT 100 LAST\r\nonly this")
    assert not opened.seen(MessageEnd)
    assert not opened.session.is_idle
    assert opened.session.waiting_octets == 0


def test_lmtp_answers_the_last_chunk_for_each_recipient(conversation) -> None:
    opened = conversation(Profile(Mode.LMTP, "mx", SmtpLimits(message_size=10)))
    recipients = b"RCPT TO:<b@b.example>\r\nRCPT TO:<unknown@b.example>\r\nRCPT TO:<c@b.example>\r\n"
    opened.send(b"LHLO c\r\nMAIL FROM:<a@a.example>\r\n" + recipients)
    assert opened.codes(chunk(b"hello")) == [250]
    assert opened.codes(chunk(b"hello", last=True)) == [250, 250]
    opened.send(b"MAIL FROM:<a@a.example>\r\n" + recipients)
    assert opened.codes(chunk(b"much too long", last=True)) == [552, 552]
