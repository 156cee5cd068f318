import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.inside import look_inside
from mailyard.message.parse import parse_message
from mailyard.message.parts import PartIndex
from mailyard.message.structure import STANDARD


def entity(content_type: bytes, content: bytes) -> bytes:
    return b"Content-Type: " + content_type + b"\r\n\r\n" + content


def multipart(boundary: bytes, *parts: bytes) -> bytes:
    delimiter = b"--" + boundary
    body = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"
    return entity(b"multipart/mixed; boundary=" + boundary, body)


# the message of RFC 3501, section 6.4.5: text, octet stream, message with two parts, multipart with image and message
INNER_3 = b"Subject: three\r\n" + multipart(
    b"C", entity(b"text/plain", b"3.1"), entity(b"application/octet-stream", b"3.2")
)
INNER_42 = b"Subject: four two\r\n" + multipart(
    b"E",
    entity(b"text/plain", b"4.2.1"),
    multipart(b"F", entity(b"text/plain", b"4.2.2.1"), entity(b"text/richtext", b"4.2.2.2")),
)
MESSAGE = b"Subject: all\r\n" + multipart(
    b"B",
    entity(b"text/plain", b"1"),
    entity(b"application/octet-stream", b"2"),
    entity(b"message/rfc822", INNER_3),
    multipart(b"D", entity(b"image/gif", b"4.1"), entity(b"message/rfc822", INNER_42)),
)
PREFIX = b"Received: from a by b\r\n"


def section(message: bytes, name: str, prefix: bytes = b"") -> bytes | None:
    span = PartIndex.decode(parse_message(prefix, message).part_index).locate(name)
    return None if span is None else (prefix + message)[span.start : span.end]


@pytest.mark.parametrize("prefix", [b"", PREFIX])
def test_the_sections_of_rfc_3501_section_6_4_5_are_found(prefix):
    def read(name: str) -> bytes | None:
        return section(MESSAGE, name, prefix)

    header, empty, text = MESSAGE.partition(b"\r\n\r\n")
    assert read("") == prefix + MESSAGE
    assert read("HEADER") == prefix + header + empty
    assert read("TEXT") == text
    assert read("1") == b"1"
    assert read("2") == b"2"
    assert read("3") == INNER_3
    assert read("3.HEADER") == INNER_3.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert read("3.TEXT") == INNER_3.partition(b"\r\n\r\n")[2]
    assert read("3.1") == b"3.1"
    assert read("3.2") == b"3.2"
    assert read("4.1") == b"4.1"
    assert read("4.1.MIME") == b"Content-Type: image/gif\r\n\r\n"
    assert read("4.2") == INNER_42
    assert read("4.2.HEADER") == INNER_42.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert read("4.2.TEXT") == INNER_42.partition(b"\r\n\r\n")[2]
    assert read("4.2.1") == b"4.2.1"
    assert read("4.2.2.1") == b"4.2.2.1"
    assert read("4.2.2.2") == b"4.2.2.2"
    assert read("4.2.2.2.mime") == b"Content-Type: text/richtext\r\n\r\n"


@pytest.mark.parametrize(
    "name", ["5", "0", "1.1", "1.HEADER", "4.TEXT", "3.3", "4.2.2.3", "1.2.3.4", "3.FOO", "x", "1..2"]
)
def test_sections_that_the_message_has_not_are_none(name):
    assert section(MESSAGE, name) is None


def test_a_message_of_one_part_is_its_own_part_one():
    message = b"Subject: x\r\n\r\nhello\r\n"
    assert section(message, "1", PREFIX) == b"hello\r\n"
    assert section(message, "1.MIME", PREFIX) == PREFIX + b"Subject: x\r\n\r\n"
    assert section(message, "2") is None
    assert section(message, "1.1") is None


def test_a_message_that_is_a_message_has_it_as_part_one():
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhello"
    assert section(message, "1") == b"Subject: in\r\n\r\nhello"
    assert section(message, "1.HEADER") == b"Subject: in\r\n\r\n"
    assert section(message, "1.TEXT") == section(message, "1.1") == b"hello"
    assert section(message, "1.1.1") is None


def test_leaves_are_listed_with_their_sections():
    assert [leaf.section for leaf in look_inside(b"", MESSAGE, reading=STANDARD).leaves] == [
        "1",
        "2",
        "3.1",
        "3.2",
        "4.1",
        "4.2.1",
        "4.2.2.1",
        "4.2.2.2",
    ]


def test_the_index_of_a_plain_mail_is_small():
    assert len(parse_message(b"", b"Subject: x\r\n\r\n" + b"hello\r\n" * 1000).part_index) == 15


TEXTS = st.binary(max_size=40).filter(lambda text: b"--" not in text)


@given(st.lists(TEXTS, min_size=1, max_size=8), st.binary(max_size=20).filter(lambda text: b"--" not in text))
def test_every_part_comes_out_as_it_went_in(texts, preamble):
    parts = b"".join(b"\r\n--=_b\r\nX: 1\r\n\r\n" + text for text in texts)
    message = b"Content-Type: multipart/mixed; boundary==_b\r\n\r\n" + preamble + parts + b"\r\n--=_b--\r\n"
    assert [section(message, str(number), PREFIX) for number in range(1, len(texts) + 1)] == texts
    assert section(message, str(len(texts) + 1)) is None
