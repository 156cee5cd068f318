"""What mail readers see: parts in odd encodings, behind odd delimiters, and in each reading of what is doubtful."""

import base64
import quopri
import time

import pytest

from mailyard.message.defects import Defect
from mailyard.message.inside import look_inside_every_way
from mailyard.message.parse import parse_message

MARK = "FILTERMARK"
TEXT = b"Subject: inner\r\n\r\nFILTERMARK\r\n"
NAMED = b'Content-Type: application/octet-stream; name="evil.exe"\r\n\r\nx\r\n'


def texts(message: bytes) -> str:
    leaves = look_inside_every_way(b"", message).leaves
    return "\n".join(text for leaf in leaves for text in leaf.texts)


def names(message: bytes) -> set[str]:
    return {name for leaf in look_inside_every_way(b"", message).leaves for name in leaf.names}


def defects(message: bytes) -> frozenset[Defect]:
    contents = look_inside_every_way(b"", message)
    return contents.defects.union(*(leaf.defects for leaf in contents.leaves))


def multipart(*parts: bytes, boundary: bytes = b"B", end: bytes = b"--B--\r\n") -> bytes:
    head = b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n" % boundary
    return head + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + end


def encoded(kind: bytes, encoding: bytes, content: bytes) -> bytes:
    encode = {b"base64": base64.encodebytes, b"quoted-printable": quopri.encodestring}[encoding]
    text = encode(content).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, text)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable"])
@pytest.mark.parametrize("kind", [b"message/rfc822", b"message/global", b"message/news"])
def test_a_message_in_a_message_is_read_out_of_its_encoding(kind: bytes, encoding: bytes) -> None:
    inner = multipart(b"Content-Type: text/plain\r\n\r\nFILTER=4DARK FILTERMARK", NAMED)
    message = multipart(encoded(kind, encoding, inner), boundary=b"OUTER", end=b"--OUTER--\r\n")
    assert MARK in texts(message)
    assert "evil.exe" in names(message)
    assert Defect.ENCODED_MESSAGE in defects(message)
    assert Defect.ENCODED_MESSAGE in parse_message(b"", message).defects or kind != b"message/rfc822"


def test_an_encoded_message_that_was_not_encoded_is_read_as_it_stands() -> None:
    message = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + NAMED
    assert "evil.exe" in names(message)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable"])
def test_an_encoded_multipart_is_read_out_of_its_encoding(encoding: bytes) -> None:
    inner = multipart(NAMED).split(b"\r\n\r\n", 1)[1]
    assert "evil.exe" in names(encoded(b"multipart/mixed; boundary=B", encoding, inner))


@pytest.mark.parametrize("kind", [b"message/global", b"message/partial; number=1", b"message/external-body"])
def test_every_kind_of_message_is_looked_into(kind: bytes) -> None:
    assert "evil.exe" in names(b"Content-Type: " + kind + b"\r\n\r\n" + NAMED)


def test_fragments_and_external_bodies_are_marked() -> None:
    assert Defect.PARTIAL_MESSAGE in defects(b"Content-Type: message/partial; id=x; number=2\r\n\r\nx")
    assert Defect.EXTERNAL_BODY in defects(b"Content-Type: message/external-body\r\n\r\nx")


def test_the_files_in_a_tnef_part_are_not_looked_at_and_a_defect_says_so() -> None:
    for kind in (b"application/ms-tnef", b"Application/vnd.ms-TNEF"):
        part = b"Content-Type: %b; name=winmail.dat\r\n\r\nx" % kind
        assert defects(multipart(b"\r\nHi", part)) == {Defect.TNEF}
    assert defects(multipart(b"Content-Type: application/pdf\r\n\r\nx")) == frozenset()


@pytest.mark.parametrize(
    "octets",
    [
        base64.b64encode(b"a") + base64.b64encode(b"FILTERMARK"),
        base64.b64encode(b"ab") + b"\r\n" + base64.b64encode(b"FILTERMARK"),
        base64.b64encode(b"FILTERMARK").rstrip(b"="),
        b"*!" + base64.b64encode(b"xFILTERMARK") + b"-",
        b"".join(base64.b64encode(bytes((octet,))) for octet in b"FILTERMARK"),
        base64.b64encode(b"FILTERMARK")[:4] + b"=" + base64.b64encode(b"FILTERMARK")[4:],
        base64.b64encode(b"FILTERMARK")[:6] + b"==" + base64.b64encode(b"FILTERMARK")[6:],
    ],
    ids=[
        "behind a pad",
        "behind a pad and a line end",
        "no pad",
        "other octets",
        "many pads",
        "a pad between",
        "pads within",
    ],
)
def test_damaged_base64_is_read_to_its_end(octets: bytes) -> None:
    message = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + octets
    assert MARK in texts(message)
    assert Defect.ENCODING_DAMAGED in defects(message)


def test_correct_base64_is_no_defect() -> None:
    for size in range(60, 66):
        message = (
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(b"x" * size)
        )
        assert defects(message) == frozenset()


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=B\r\n",
        b"Content-Type: multipart/mixed; boundary=B\r\nContent-Type: text/plain\r\n",
        b"Content-Type: multipart/mixed; boundary=A; boundary=B\r\n",
        b"Content-Type: multipart/mixed; boundary=B; boundary=A\r\n",
    ],
)
def test_of_two_content_types_both_are_read(header: bytes) -> None:
    message = header + b"\r\n--B\r\n" + NAMED + b"--B--\r\n"
    assert "evil.exe" in names(message)
    assert defects(message) & {Defect.DUPLICATE_CONTENT_TYPE, Defect.DUPLICATE_PARAMETER}


def test_of_two_encodings_both_are_undone() -> None:
    fields = [b"Content-Transfer-Encoding: 7bit\r\n", b"Content-Transfer-Encoding: base64\r\n"]
    for first, second in (fields, fields[::-1]):
        assert MARK in texts(first + second + b"\r\n" + base64.b64encode(b"FILTERMARK"))


@pytest.mark.parametrize("line", [b"--BNDX", b"--BND--X", b"--BND x"])
def test_a_line_that_begins_like_a_delimiter_is_read_both_ways(line: bytes) -> None:
    as_delimiter = multipart(b"\r\none\r\n" + line + b"\r\n" + NAMED, boundary=b"BND", end=b"--BND--\r\n")
    as_text = multipart(
        b"Content-Type: text/plain\r\n\r\none\r\n" + line + b"\r\nFILTERMARK",
        boundary=b"BND",
        end=b"--BND--\r\n",
    )
    assert "evil.exe" in names(as_delimiter) or b"--BND--" in line
    assert MARK in texts(as_text)
    assert Defect.DELIMITER_AMBIGUOUS in defects(as_text)


def test_equal_boundaries_are_read_as_the_outer_and_as_the_inner_multipart() -> None:
    inner = (
        b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\none\r\n--B--\r\n--B\r\n"
        + NAMED
        + b"--B--\r\n"
    )
    assert "evil.exe" in names(multipart(inner))
    assert Defect.BOUNDARY_REPEATED in defects(multipart(inner))


@pytest.mark.parametrize(
    "part",
    [
        b"FILTERMARK stands at once\r\n\r\nmore",
        b" \r\nFILTERMARK\r\n\r\nmore",
        b"Content-Type: text/plain\r\n \r\nFILTERMARK\r\n\r\nmore",
        b"Content-Type: text/plain\r\n\t\r\nFILTERMARK",
        b"no field\r\nContent-Type: text/plain\r\nFILTERMARK",
    ],
)
def test_text_where_a_header_section_should_be_is_read_as_text_too(part: bytes) -> None:
    for message in (multipart(part), part):
        assert MARK in texts(message)
        assert Defect.HEADER_DOUBTFUL in defects(message)


@pytest.mark.parametrize("parts", [999, 1001, 3000])
def test_parts_behind_the_limit_of_imap_are_read(parts: int) -> None:
    message = multipart(*[b"\r\nx"] * parts, NAMED)
    assert "evil.exe" in names(message)
    assert (Defect.TOO_MANY_PARTS in parse_message(b"", message).defects) is (parts >= 999)


def test_parts_beyond_every_limit_are_a_defect_and_read_as_text() -> None:
    message = multipart(*[b"\r\nx"] * 5000, b"\r\nFILTERMARK")
    assert Defect.TOO_MANY_PARTS in defects(message)
    assert MARK in texts(message)


@pytest.mark.parametrize("depth", [49, 60, 150])
def test_levels_beyond_the_limit_are_a_defect_and_read_as_text(depth: int) -> None:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=B%d\r\n\r\n--B%d\r\n" % (level, level)
        for level in range(depth)
    )
    message = head + b"\r\nFILTERMARK\r\n"
    assert MARK in texts(message)
    assert (Defect.TOO_DEEP in defects(message)) is (depth > 100)
    assert (Defect.TOO_DEEP in parse_message(b"", message).defects) is (depth > 50)


def test_a_long_header_of_a_part_is_read_to_its_end_and_beyond_a_limit_it_is_a_defect() -> None:
    for octets, is_cut in ((70_000, False), (300_000, True)):
        part = b"X-Long: " + b"x" * octets + b"\r\n" + NAMED
        assert "evil.exe" in names(multipart(part))
        assert (Defect.PART_HEADER_TOO_LONG in defects(multipart(part))) is is_cut
        assert Defect.PART_HEADER_TOO_LONG in parse_message(b"", multipart(part)).defects


def test_a_long_header_and_many_fields_are_defects_of_the_message() -> None:
    assert Defect.HEADER_TOO_LONG in parse_message(b"", b"X: " + b"x" * 300_000 + b"\r\n\r\n").defects
    assert Defect.TOO_MANY_FIELDS in parse_message(b"", b"X: 1\r\n" * 1200 + b"\r\n").defects


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'Content-Type: a/b; name="one.txt"\r\nContent-Disposition: attachment; filename=two.exe\r\n', "one.txt"),
        (b'Content-Type: a/b; name="one.txt"\r\nContent-Disposition: attachment; filename=two.exe\r\n', "two.exe"),
        (b"Content-Type: a/b; name=one.txt; name=evil.exe\r\n", "evil.exe"),
        (b"Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=evil.exe\r\n", "evil.exe"),
        (b"Content-Disposition: attachment; filename*0=evil; filename*1=.exe\r\n", "evil.exe"),
        (b"Content-Disposition: attachment; filename*=utf-8''evil%2Eexe; filename=a.txt\r\n", "a.txt"),
        (b"Content-Disposition: attachment; filename*=utf-8''evil%2Eexe; filename=a.txt\r\n", "evil.exe"),
        (b'Content-Type: a/b; name="=?utf-8?B?ZXZpbC5leGU=?="\r\n', "evil.exe"),
        (b"Content-Type: a/b; (comment) name=evil.exe\r\n", "evil.exe"),
        (b"Content-Type: a/b; name=(comment)evil.exe\r\n", "evil.exe"),
        (b"Content-Disposition: attachment; filename=evil.exe some words\r\n", "evil.exe"),
        (b"Content-Disposition: filename=evil.exe\r\n", "evil.exe"),
        (b"Content-Disposition: attachment filename=evil.exe\r\n", "evil.exe"),
        (b'Content-Disposition: attachment; FileName = "evil.exe"\r\n', "evil.exe"),
        (b'Content-Disposition: attachment;\r\n\tfilename="evil\r\n .exe"\r\n', "evil .exe"),
        (b'Content-Disposition: attachment; filename="evil.exe\r\n', "evil.exe"),
        (b"Content-Disposition: attachment; %b; filename=evil.exe\r\n" % b"; ".join(b"a%d=1" % n for n in range(400)), "evil.exe"),
    ],
)  # fmt: skip
def test_every_name_that_a_reader_may_take_is_found(header: bytes, name: str) -> None:
    assert name in names(header + b"\r\nx")


def test_files_that_are_uuencoded_in_text_are_found() -> None:
    message = b"Content-Type: text/plain\r\n\r\nhi\r\nbegin 644 evil.exe\r\n*1DE,5$5234%22P\r\n`\r\nend\r\n"
    assert "evil.exe" in names(message)
    assert MARK in texts(message)


@pytest.mark.parametrize(
    ("content_type", "octets"),
    [
        (b"text/plain; charset=utf-16", "FILTERMARK".encode("utf-16")),
        (b"text/plain; charset=us-ascii", "FILTERMARK".encode("utf-16")),
        (b"text/plain", "FILTERMARK".encode("utf-16-le")),
        (b"text/plain; charset=utf-8", "FILTERMARK".encode("utf-16-be")),
        (b"text/plain; charset=utf-7", b"+AEYASQBMAFQARQBSAE0AQQBSAEs-"),
        (b"text/html", b"<meta charset=utf-7>+AEYASQBMAFQARQBSAE0AQQBSAEs-"),
        (b"text/html; charset=iso-8859-1", b'<meta http-equiv="Content-Type" content="text/html; charset=utf-7">+AEYASQBMAFQARQBSAE0AQQBSAEs-'),
        (b"text/html", b"FILTER<b>MA</b>RK"),
        (b"text/html", b"FILTER<!-- > x -->MARK"),
        (b"text/html", b"&#70;ILTER&#x4d;ARK"),
        (b"text/plain", b"<html>FILTER<i></i>MARK"),
        (b"text/plain; charset=x-no-such", b"FILTERMARK"),
        (b"message/delivery-status", b"FILTERMARK"),
    ],
)  # fmt: skip
def test_text_is_read_in_every_charset_that_speaks_for_it_and_without_markup(
    content_type: bytes, octets: bytes
) -> None:
    message = b"Content-Type: %b\r\nContent-Transfer-Encoding: base64\r\n\r\n%b" % (
        content_type,
        base64.encodebytes(octets),
    )
    assert MARK in texts(message)


def test_an_ordinary_message_has_no_defects_and_is_read_in_one_way() -> None:
    message = multipart(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nHi \xc3\xbc", b"Content-Type: text/html\r\n\r\n<p>Hi"
    )
    assert defects(message) == frozenset()
    assert len(look_inside_every_way(b"", message).leaves) == 2


HOSTILE = {
    "parts": multipart(b"") + b"--B\r\n\r\n" * 900_000,
    "open multiparts": b"".join(b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n" for _ in range(100_000)),
    "encoded messages": b"".join(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" for _ in range(50_000)),
    "doubtful everything": b"".join(
        b"Content-Type: multipart/mixed; boundary=B\r\nContent-Type: multipart/mixed; boundary=C; boundary=B\r\nx\r\n \r\n\r\n--BX\r\n\r\n--C x\r\n"
        for _ in range(40_000)
    ),
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<a" * 2_000_000,
    "comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 1_000_000,
    "entities": b"Content-Type: text/html\r\n\r\n" + b"&#x41" * 800_000,
    "uuencoded files": b"Content-Type: text/plain\r\n\r\n" + b"begin 644 a\n" * 300_000,
    "pads": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"YQ==" * 1_000_000,
    "names": b"Content-Type: a/b" + b"; name=a" * 100_000 + b"\r\n\r\n",
    "nul": b"\r\n" + b"\0a" * 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_octets_cost_time_that_grows_with_them_only(message: bytes) -> None:
    def seconds(octets: bytes) -> float:
        start = time.process_time()
        contents = look_inside_every_way(b"", octets)
        for leaf in contents.leaves:
            for text in leaf.texts:
                assert isinstance(text, str)
            assert isinstance(leaf.names, tuple)
        return time.process_time() - start

    half, whole = seconds(message[: len(message) // 2]), seconds(message)
    assert whole < 3 * half + 0.5
    assert whole < 12.0
