"""What a stranger's message may cost: columns of bounded size, and time that grows with the octets only."""

import time
from collections.abc import Callable

import pytest

from mailyard.message.defects import Defect
from mailyard.message.encodedwords import decode_words
from mailyard.message.headers import HeaderIndex
from mailyard.message.parse import ParsedMessage, parse_message

HEADER_OCTETS = 250_000
MULTIPART = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
HOSTILE = {
    "one address without end": b"a@",
    "addresses": b"a@b,",
    "angle brackets": b"<",
    "whole angle brackets": b"<a@b>",
    "comments": b"(a)",
    "open comments": b"(",
    "quotes": b'"',
    "open groups": b"a:",
    "blanks": b"a ",
    "escapes": b"\\",
    "literals": b"[a",
    "dots": b". ",
    "encoded words": b"=?utf-8?q?a?= ",
    "8-bit": b"\xff",
}
FIELDS = (b"From", b"To", b"Subject", b"Date", b"References", b"Content-Type", b"Content-Disposition")


def seconds(work: Callable[[], object]) -> float:
    """The processor time of the fastest of six runs."""
    times = []
    for _ in range(6):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def columns(parsed: ParsedMessage) -> int:
    return sum(
        map(
            len,
            (parsed.envelope, parsed.bodystructure, parsed.imap_body, parsed.header_index, parsed.part_index),
        )
    )


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("field", FIELDS, ids=bytes.decode)
def test_a_hostile_field_costs_little_time_and_room(field: bytes, piece: bytes) -> None:
    def message(octets: int) -> bytes:
        return field + b": " + piece * (octets // len(piece)) + b"\r\n\r\ntext\r\n"

    large = message(HEADER_OCTETS)
    assert columns(parse_message(b"", large)) < 200_000
    assert seconds(lambda: parse_message(b"", large)) < 0.25
    half = seconds(lambda: parse_message(b"", message(HEADER_OCTETS // 2)))
    assert seconds(lambda: parse_message(b"", large)) < 4 * half + 0.01, (
        "the time grows faster than the octets"
    )


@pytest.mark.parametrize(
    "part",
    [
        b"--B\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b\r\n\r\n\r\n",
        b"--B\r\nContent-Type: message/rfc822\r\n\r\nFrom: " + b"a@b," * 50 + b"\r\n\r\n\r\n",
        b'--B\r\nContent-Type: text/plain; name="' + b"n" * 200 + b'"\r\n\r\nx\r\n',
        b"--B\r\nContent-Description: " + b"d" * 200 + b"\r\n\r\nx\r\n",
        b"--B\r\n\r\n",
    ],
    ids=["messages", "addresses", "names", "descriptions", "empty"],
)
def test_a_thousand_parts_make_a_structure_of_bounded_size(part: bytes) -> None:
    message = MULTIPART + part * 1000 + b"--B--\r\n"
    parsed = parse_message(b"", message)
    assert columns(parsed) < 200_000
    assert seconds(lambda: parse_message(b"", message)) < 0.25


def test_what_is_left_out_of_an_answer_is_a_defect(imap_data: Callable[[bytes], object]) -> None:
    parsed = parse_message(
        b"", b"To: " + b", ".join(b"user%d@example.com" % n for n in range(2500)) + b"\r\n\r\n"
    )
    assert Defect.ENVELOPE_SHORTENED in parsed.defects
    envelope = imap_data(parsed.envelope)
    assert envelope[5][0] == [None, None, b"user0", b"example.com"]
    assert 1000 < len(envelope[5]) < 2500

    part = b"--B\r\nContent-Description: " + b"d" * 200 + b"\r\n\r\nx\r\n"
    parsed = parse_message(b"", MULTIPART + part * 900 + b"--B--\r\n")
    assert Defect.STRUCTURE_SHORTENED in parsed.defects
    assert 100 < len(imap_data(parsed.bodystructure)) < 900


def test_an_ordinary_list_of_recipients_is_not_shortened(imap_data: Callable[[bytes], object]) -> None:
    parsed = parse_message(
        b"", b"To: " + b", ".join(b"user%d@example.com" % n for n in range(1000)) + b"\r\n\r\n"
    )
    assert not parsed.defects
    assert len(imap_data(parsed.envelope)[5]) == 1000


def test_a_group_that_is_cut_is_closed(imap_data: Callable[[bytes], object]) -> None:
    members = b", ".join(b"user%d@example.com" % n for n in range(2500))
    envelope = imap_data(parse_message(b"", b"To: team: " + members + b";\r\n\r\n").envelope)
    assert envelope[5][0] == [None, None, b"team", None]
    assert envelope[5][-1] == [None, None, None, None]


def test_a_long_value_is_cut_and_no_half_address_is_shown(imap_data: Callable[[bytes], object]) -> None:
    long = b"x" * 100_000
    parsed = parse_message(b"", b"Subject: " + long + b"\r\nFrom: a@b, " + long + b"@example.com\r\n\r\n")
    envelope = imap_data(parsed.envelope)
    assert envelope[1] == long[:8192]
    assert envelope[2] == [[None, None, b"a", b"b"]]
    assert Defect.ENVELOPE_SHORTENED in parsed.defects


def test_an_index_does_not_keep_names_without_end() -> None:
    header = b"".join(b"X-%b%d: 1\r\n" % (b"n" * 250, n) for n in range(900))
    index = parse_message(b"", header + b"Subject: x\r\n\r\n").header_index
    assert len(index) < 20_000
    assert HeaderIndex.decode(index).fields([b"Subject"]) is None


def test_encoded_words_without_end_are_decoded_in_linear_time() -> None:
    word = b"=?utf-8?b?" + b"QUJD" * 12 + b"?= "

    def decode(words: int) -> float:
        return seconds(lambda: decode_words(word * words))

    assert len(decode_words(word * 100).strip()) == 100 * 36
    assert decode(20_000) < 4 * decode(10_000) + 0.01
