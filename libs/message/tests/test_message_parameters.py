"""Parameters of MIME fields (RFC 2045 section 5.1, RFC 2231), transfer encodings, and limits on what an answer takes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.allowance import Allowance
from mailyard.message.bodystructure import encode_structures
from mailyard.message.fields import unescaped
from mailyard.message.imapstrings import nstring, string
from mailyard.message.parameters import (
    ContentType,
    decode_extended,
    parse_content_type,
    parse_disposition,
    parse_parameters,
    parse_token,
    without_comments,
)
from mailyard.message.structure import scan_structure
from mailyard.message.transferencoding import decode_transfer, decode_without_pads, is_damaged, uu_files


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", ContentType(b"text", b"plain")),
        (b" Text / HTML ; Charset = UTF-8 ", ContentType(b"text", b"html", ((b"charset", b"UTF-8"),))),
        (
            b"text/plain (a comment); charset=us-ascii (Plain text)",
            ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),)),
        ),
        (rb'a/b; name="x\"y\\z; q=1"', ContentType(b"a", b"b", ((b"name", rb'x"y\z; q=1'),))),
        (
            b"a/b; name=two words.txt; x=1",
            ContentType(b"a", b"b", ((b"name", b"two words.txt"), (b"x", b"1"))),
        ),
        (b'a/b; name="never closed', ContentType(b"a", b"b", ((b"name", b"never closed"),))),
        (b"a/b;;; ; =x; y; z=1", ContentType(b"a", b"b", ((b"z", b"1"),))),
        (b"text", None),
        (b"/plain", None),
        (b"", None),
    ],
)
def test_a_content_type_is_read_as_leniently_as_senders_write(
    value: bytes, expected: ContentType | None
) -> None:
    assert parse_content_type(value) == expected


def test_of_two_parameters_with_one_name_the_first_or_the_last_counts() -> None:
    value = b"multipart/mixed; boundary=a; BOUNDARY=b"
    first, last = parse_content_type(value), parse_content_type(value, last=True)
    assert first is not None
    assert last is not None
    assert (first.decoded(b"boundary"), last.decoded(b"boundary")) == (b"a", b"b")
    assert first.repeats
    assert last.repeats


# The examples of RFC 2231 sections 3 and 4.
@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        (b'; URL*0="ftp://"; URL*1="cs.utk.edu/pub/moore"', {b"url": b"ftp://cs.utk.edu/pub/moore"}),
        (b"; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", {b"title*": b"us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"}),
        (b"; title*0*=us-ascii'en'This%20is%20even%20more%20;title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
         {b"title*": b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!"}),
        (b"; a*1=second; a*0=first", {b"a": b"firstsecond"}),
        (b"; a*0=x; b=1; a*1=y", {b"a": b"xy", b"b": b"1"}),
    ],
)  # fmt: skip
def test_continued_parameters_are_one(value: bytes, parameters: dict[bytes, bytes]) -> None:
    assert dict(parse_parameters(value, 0)) == parameters


def test_an_extended_value_has_a_charset_and_octets() -> None:
    assert decode_extended(b"ISO-8859-1''%fcber") == ("iso-8859-1", b"\xfcber")
    assert decode_extended(b"utf-8'de'%C3%BC%2") == ("utf-8", b"\xc3\xbc%2")
    assert decode_extended(b"no quotes%20") == ("", b"no quotes ")


def test_no_more_than_256_parameters_are_read() -> None:
    value = b"".join(b"; p%d=1" % number for number in range(1000))
    assert len(parse_parameters(value, 0)) == 256


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"ATTACHMENT; filename=a", b"attachment"),
        (b"inline", b"inline"),
        (b"; filename=a", None),
        (b"", None),
    ],
)
def test_a_disposition_has_a_kind(value: bytes, kind: bytes | None) -> None:
    found = parse_disposition(value)
    assert (found.kind if found else None) == kind
    assert parse_token(value) == (kind or b"")


def test_comments_go_and_quoted_strings_stay() -> None:
    assert without_comments(b'a (b) "c (d)" (e)f') == b'a  "c (d)" f'
    assert without_comments(b"a (b") == b"a (b"


@given(st.binary(max_size=60))
def test_quoted_pairs_are_undone(octets: bytes) -> None:
    escaped = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    assert unescaped(escaped) == octets


@pytest.mark.parametrize(
    ("octets", "encoding", "damaged"),
    [
        (b"YQ==\r\n", b"base64", False),
        (b"YWJj", b"base64", False),
        (b"", b"base64", False),
        (b"YQ", b"base64", True),
        (b"YQ==YQ==", b"base64", True),
        (b"Y*Q=", b"base64", True),
        (b"=3D=\r\n=20", b"quoted-printable", False),
        (b"a= \t\r\nb=", b"quoted-printable", False),
        (b"=3d", b"quoted-printable", True),
        (b"a=b", b"quoted-printable", True),
        (b"=", b"7bit", False),
    ],
)
def test_octets_that_readers_may_decode_differently_are_damaged(
    octets: bytes, encoding: bytes, damaged: bool
) -> None:
    assert is_damaged(octets, encoding) is damaged


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_base64_in_pieces_is_read_to_its_end_with_and_without_pads(pieces: list[bytes]) -> None:
    encoded = b"".join(base64.b64encode(piece) for piece in pieces)
    assert decode_transfer(encoded, b"base64") == b"".join(pieces)
    assert decode_without_pads(encoded.replace(b"=", b"")) == decode_without_pads(encoded)


def test_of_uuencoded_files_the_first_hundred_are_read() -> None:
    text = b"hello\r\n" + b"begin 644 a b.txt\r\n#86)C\r\n`\r\nend\r\n" * 150
    found = list(uu_files(text))
    assert len(found) == 100
    assert found[0] == (b"a b.txt", b"abc")


@pytest.mark.parametrize("value", [None, b"", b"text", b'"\\', b"\xff", b"\0", b"a\r\nb", b"{5}\r\n"])
def test_a_string_of_imap_holds_the_value_without_nul_and_line_ends(value: bytes | None, imap_data) -> None:
    expected = None if value is None else value.replace(b"\0", b"").replace(b"\r\n", b" ")
    assert imap_data(nstring(value)) == expected
    if value is not None:
        assert imap_data(string(value)) == expected


def test_an_allowance_is_used_up_and_says_so() -> None:
    allowance = Allowance(10)
    assert allowance.cut(None, 5) is None
    assert (allowance.cut(b"12345", 5), allowance.left, allowance.exceeded) == (b"12345", 5, False)
    assert (allowance.cut(b"123456", 4), allowance.left, allowance.exceeded) == (b"1234", 1, True)
    assert (allowance.cut(b"12", 4), allowance.cut(b"3", 4), allowance.left) == (b"1", b"", 0)


def test_a_share_of_an_allowance_is_settled_with_what_it_used() -> None:
    allowance = Allowance(10)
    share = allowance.share(100)
    assert share.left == 10
    share.cut(b"x" * 20, 20)
    allowance.settle(share, 10)
    assert (allowance.left, allowance.exceeded) == (0, True)
    assert allowance.share(5).left == 0


def test_a_token_that_is_too_long_is_cut_and_parameters_that_do_not_fit_are_left_out(imap_data) -> None:
    header = b"Content-Type: text/" + b"x" * 200 + b"; a=1; b=" + b"y" * 500 + b"; c=2\r\n\r\n"
    allowance = Allowance(100)
    body = imap_data(encode_structures(scan_structure(b"", header), allowance).body)
    assert body[1] == b"x" * 128
    assert body[2] == [b"a", b"1"]
    assert allowance.exceeded


@pytest.mark.parametrize(
    ("value", "languages"),
    [(b"de", b"de"), (b"de, en", [b"de", b"en"]), (b" , de,", b"de"), (b",", None), (b"", None)],
)
def test_one_language_is_a_string_and_several_are_a_list(value: bytes, languages, imap_data) -> None:
    """RFC 3501 section 7.4.2, with the tags of RFC 3282."""
    message = b"Content-Language: " + value + b"\r\n\r\n"
    structure = encode_structures(scan_structure(b"", message), Allowance(1000)).bodystructure
    assert imap_data(structure)[10] == languages
