import email
import email.policy
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.message.defects import Defect
from mailyard.message.fields import select_fields
from mailyard.message.headers import HeaderIndex
from mailyard.message.headertext import header_text
from mailyard.message.inside import look_inside, look_inside_every_way
from mailyard.message.parse import parse_message
from mailyard.message.parts import PartIndex
from mailyard.message.structure import STANDARD, Kind

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.eml"))
STDLIB = sorted(Path(sysconfig.get_path("stdlib"), "test", "test_email", "data").glob("msg_*.txt"))
PREFIX = b"Return-Path: <a@b>\r\nReceived: from a\r\n\tby b\r\n"
NAMES = [b"From", b"Subject", b"Content-Type", b"X-Odd"]

# the standard library reads these otherwise, and why
STDLIB_DIFFERS = {
    "msg_19.txt": "it ends a header section at a line without colon",
    "msg_35.txt": "it ends a header section at a line without colon",
    "msg_47.txt": "it ends a header section at a line without colon",
    "msg_36.txt": "it takes message/external-body for a message",
    "msg_37.txt": "it leaves empty parts out",
    "msg_15.txt": "it gives an inner multipart no delimiter lines of its own when the outer has the same boundary",
    "msg_17.txt": "it calls a multipart without delimiter lines a multipart",
    "msg_25.txt": "it calls a multipart without boundary a multipart",
    "msg_31.txt": "it calls a multipart without delimiter lines a multipart",
    "msg_38.txt": "equal boundaries, as in msg_15",
    "msg_39.txt": "equal boundaries, as in msg_15",
    "msg_41.txt": "it calls a multipart without boundary a multipart",
    "msg_42.txt": "it calls a multipart without delimiter lines a multipart",
    "msg_43.txt": "it takes every group of a delivery status for a part",
    "msg_05.txt": "it takes every group of a delivery status for a part",
    "msg_16.txt": "it takes every group of a delivery status for a part",
}


def with_crlf(octets: bytes) -> bytes:
    return b"\r\n".join(octets.splitlines()) + b"\r\n"


def check(prefix: bytes, body: bytes, imap_data) -> None:
    """What holds for every message of any octets."""
    whole = prefix + body
    parsed = parse_message(prefix, body)
    assert parsed == parse_message(b"", whole)
    assert len(imap_data(parsed.envelope)) == 10
    assert len(imap_data(parsed.imap_body)) >= 2
    assert len(imap_data(parsed.bodystructure)) >= 6
    index = PartIndex.decode(parsed.part_index)
    check_spans(index, len(whole))
    header, text = index.locate("HEADER"), index.locate("TEXT")
    assert header is not None
    assert text is not None
    assert (header.start, header.end, text.end) == (0, text.start, len(whole))
    answer = HeaderIndex.decode(parsed.header_index).fields(NAMES)
    assert answer in (None, select_fields(whole[: header.end], NAMES))
    contents = look_inside(prefix, body, reading=STANDARD)
    if Defect.ENCODED_MESSAGE not in contents.defects:
        assert len({part.section for part in contents.leaves}) == len(contents.leaves)
        assert len(contents.leaves) == sum(part.kind == Kind.LEAF for part in index.parts)
        for part in contents.leaves:
            span = index.locate(part.section)
            assert span is not None
            assert whole[span.start : span.end] == part.encoded
    for part in look_inside_every_way(prefix, body).leaves:
        assert isinstance("".join((*part.texts, *part.names)), str)
        assert isinstance(part.text + part.name + part.media_type, str)
    header_text(whole[: header.end])


def check_spans(index: PartIndex, size: int) -> None:
    around = [index.parts[0]]
    assert (around[0].start, around[0].end) == (0, size)
    for part in index.parts[1:]:
        del around[part.depth :]
        assert around[-1].body <= part.start <= part.body <= part.end <= around[-1].end
        around.append(part)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("prefix", [b"", PREFIX], ids=["alone", "with prefix"])
def test_every_odd_message_has_a_valid_structure(path, prefix, imap_data):
    check(prefix, path.read_bytes(), imap_data)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_odd_message_may_be_cut_off_anywhere(path, imap_data):
    octets = path.read_bytes()
    for end in range(0, len(octets), max(1, len(octets) // 60)):
        check(PREFIX, octets[:end], imap_data)


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b":",
    b";",
    b'"',
    b"\\",
    b"(",
    b"--B\r\n",
    b"--B--",
    b"=",
    b"?",
    b" ",
    b"<",
    b">",
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from(PIECES)), min_size=1, max_size=5
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CORPUS), EDITS)
def test_odd_messages_may_change_in_any_way(imap_data, path, edits):
    octets = path.read_bytes()[:4000]
    for position, removed, added in edits:
        at = int(position * len(octets))
        octets = octets[:at] + added + octets[at + removed :]
    check(b"", octets, imap_data)
    check(PREFIX, octets, imap_data)


TOKENS = [b"Content-Type: multipart/mixed; boundary=B\r\n", b"Content-Type: message/rfc822\r\n", b"--B", b"--B--", b"\r\n", b"\r\n\r\n",
          b"--C\r\n", b"Content-Type: multipart/digest; boundary=C\r\n", b"\n", b"x", b"Subject: y\r\n", b"\t", b"--"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join),
    st.sampled_from([b"", PREFIX, b"A: 1", b"\r\n"]),
)
def test_any_arrangement_of_mime_pieces_has_a_valid_structure(imap_data, octets, prefix):
    check(prefix, octets, imap_data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=30))
def test_any_octets_are_a_message(imap_data, octets, prefix):
    check(prefix, octets, imap_data)


HOSTILE = {
    "white space in an address": b"To: a" + b" " * 200_000 + b"b <c\r\n\r\n",
    "white space before an address": b"To: x@y," + b" " * 200_000 + b"(\r\n\r\n",
    "words that are no address": b"To: " + b"ab " * 70_000 + b"\r\n\r\n",
    "opening comments": b"To: " + b"(" * 200_000 + b"\r\n\r\n",
    "opening quotes": b"To: " + b'"\\' * 100_000 + b"\r\n\r\n",
    "white space in a date": b"Date: Fri" + b" " * 200_000 + b"x\r\n\r\n",
    "carriage returns": b"Subject: " + b"\r" * 200_000 + b"x\r\n y\r\n\r\n",
    "encoded words": b"Subject: " + b"=?u?q?" * 40_000 + b"\r\n\r\n",
    "white space in a parameter": b"Content-Type: a/b; x" + b" " * 200_000 + b"y\r\n\r\n",
    "parameters without end": b"Content-Type: a/b; " + b"a" * 100_000 + b'="' + b"\\" * 100_000 + b"\r\n\r\n",
    "comments in a media type": b"Content-Type: " + b"(" * 200_000 + b"\r\n\r\n",
    "folded lines": b"Subject: " + b"\r\n " * 80_000 + b"\r\n\r\n",
    "no end of the header": b"A: b\r\n" * 400_000,
    "delimiters": b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\n" * 400_000,
    "lines like delimiters": b"Content-Type: multipart/mixed; boundary=Bx\r\n\r\n--Bx\r\n"
    b"Content-Type: multipart/mixed; boundary=y\r\n\r\n" + b"--\n" * 800_000,
    "nested multiparts": b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n" * 40_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 80_000,
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_octets_are_read_in_good_time(octets):
    start = time.process_time()
    parsed = parse_message(PREFIX, octets)
    assert time.process_time() - start < 2
    assert len(parsed.bodystructure) + len(parsed.envelope) + len(parsed.header_index) < 2_000_000


@pytest.mark.skipif(
    not STDLIB, reason="the standard library's test suite is not installed (libpython3-testsuite)"
)
@pytest.mark.parametrize("path", STDLIB, ids=lambda path: path.name)
def test_sample_mails_of_the_standard_library_have_a_valid_structure(path, imap_data):
    octets = path.read_bytes()
    for body in (octets, with_crlf(octets)):
        check(b"", body, imap_data)
        check(PREFIX, body, imap_data)


@pytest.mark.skipif(
    not STDLIB, reason="the standard library's test suite is not installed (libpython3-testsuite)"
)
@pytest.mark.parametrize(
    "path", [path for path in STDLIB if path.name not in STDLIB_DIFFERS], ids=lambda path: path.name
)
def test_parts_are_those_that_the_standard_library_finds(path):
    octets = with_crlf(path.read_bytes())
    peer = email.message_from_bytes(octets, policy=email.policy.compat32)
    expected = [
        (part.get_content_type(), len(part.get_payload().encode("ascii", "surrogateescape")))
        for part in peer.walk()
        if not part.is_multipart()
    ]
    found = [(part.media_type, len(part.encoded)) for part in look_inside(b"", octets).leaves]
    assert found == expected
