import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.charsets import decode_octets
from mailyard.message.encodedwords import decode_words
from mailyard.message.headertext import header_text
from mailyard.message.inside import look_inside
from mailyard.message.transferencoding import decode_transfer


def only_part(header: bytes, body: bytes = b"x"):
    (part,) = look_inside(b"", header + b"\r\n" + body).leaves
    return part


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
        (b"=?utf-8?b?w7w=?=", "ü"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        (b"=?iso-8859-1?q?=FC?= and =?koi8-r?b?8M/P?=", "ü and Поо"),
        (b"=?x-unknown?q?=C3=BC?=", "ü"),
        (b"=?utf-8?b?not base64!?=", None),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"8-bit \xc3\xbc", "8-bit ü"),
        (b"latin \xfc", "latin ü"),
    ],
)
def test_encoded_words_are_decoded_as_rfc_2047_section_8_shows(value, expected):
    found = decode_words(value)
    assert isinstance(found, str) if expected is None else found == expected


@given(st.binary(max_size=80) | st.text(max_size=30).map(lambda text: f"=?utf-8?q?{text}?=".encode()))
def test_no_octets_make_the_decoder_of_words_fail(value):
    assert isinstance(decode_words(value), str)


@pytest.mark.parametrize(
    ("octets", "charset", "expected"),
    [
        (b"abc", "", "abc"),
        (b"\xc3\xbc", "", "ü"),
        (b"\xfc", "", "ü"),
        (b"\xfc", "us-ascii", "ü"),
        (b"\xc3\xbc", "us-ascii", "ü"),
        (b"\xfc", "utf-8", "ü"),
        (b"\xa4", "iso-8859-15", "€"),
        (b"\x82\xa0", "Shift_JIS", "あ"),
        (b"\xc4\xe3", "gb2312", "你"),
        (b"\xe0", "iso-8859-8-i", "א"),
        (b"\xc3\xbc", "no-such-charset", "ü"),
        (b"abc", "punycode", "abc"),
        (b"abc", "idna\0", "abc"),
        (b"6162", "hex", "6162"),
    ],
)
def test_octets_are_decoded_by_their_charset_with_a_fallback(octets, charset, expected):
    assert decode_octets(octets, charset) == expected


@given(
    st.binary(max_size=60),
    st.text(max_size=20) | st.sampled_from(["utf-8", "utf-7", "iso-2022-jp", "utf-16"]),
)
def test_no_octets_and_no_charset_make_the_decoder_fail(octets, charset):
    assert isinstance(decode_octets(octets, charset), str)


@given(st.binary(max_size=200))
def test_base64_is_undone_even_when_it_is_cut_off(data):
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    assert decode_transfer(encoded, b"base64") == data
    for cut in range(len(encoded)):
        assert data.startswith(decode_transfer(encoded[:cut], b"base64"))


@pytest.mark.parametrize(
    ("encoding", "encoded", "expected"),
    [
        (b"quoted-printable", b"a=3Db=\r\nc =20\r\n", b"a=bc  \r\n"),
        (b"quoted-printable", b"=", b""),
        (b"base64", b"!!!aGVs bG8=!!!", b"hello"),
        (b"x-uuencode", b"begin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\n", b"hello"),
        (b"x-uuencode", b"no begin", b"no begin"),
        (b"7bit", b"a=3D", b"a=3D"),
        (b"unheard-of", b"a=3D", b"a=3D"),
    ],
)
def test_transfer_encodings_are_undone(encoding, encoded, expected):
    assert decode_transfer(encoded, encoding) == expected


def test_text_is_decoded_from_its_encoding_and_charset():
    header = (
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: Quoted-Printable (x)\r\n"
    )
    assert only_part(header, b"f=FCr =\r\nuns").text == "für uns"


def test_what_is_not_text_has_no_text_but_octets():
    part = only_part(b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n", b"AAEC")
    assert (part.text, part.octets, part.media_type) == ("", b"\0\1\2", "image/png")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"Content-Disposition: attachment; filename=a.txt\r\n", "a.txt"),
        (b'Content-Disposition: attachment; filename="a b.txt"\r\n', "a b.txt"),
        (b"Content-Type: application/pdf; name=n.pdf\r\n", "n.pdf"),
        (
            b"Content-Type: application/pdf; name=n.pdf\r\nContent-Disposition: attachment; filename=d.pdf\r\n",
            "d.pdf",
        ),
        (b"Content-Disposition: attachment; filename*=utf-8'de'%C3%BC.txt; filename=u.txt\r\n", "ü.txt"),
        (b"Content-Disposition: attachment; filename*0*=iso-8859-1''%FC; filename*1=.txt\r\n", "ü.txt"),
        (b'Content-Disposition: attachment; filename*0="a "; filename*1="b.txt"\r\n', "a b.txt"),
        (b"Content-Disposition: attachment; filename==?utf-8?q?=C3=BC=2Etxt?=\r\n", "ü.txt"),
        (b'Content-Disposition: attachment; filename="\xc3\xbc.txt"\r\n', "ü.txt"),
        (b"Content-Disposition: attachment; filename=a (1).txt\r\n", "a (1).txt"),
        (b"Content-Disposition: attachment\r\n", ""),
        (b'Content-Disposition: attachment; filename="a\0.exe"\r\n', "a.exe"),
    ],
)
def test_attachment_names_are_read_in_all_their_forms(header, name):
    assert only_part(header).name == name


def test_what_has_a_name_or_says_so_is_an_attachment():
    assert only_part(b"Content-Disposition: attachment\r\n").is_attachment
    assert only_part(b"Content-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n").is_attachment
    assert not only_part(b"Content-Disposition: inline\r\n").is_attachment


def test_parts_of_messages_in_messages_are_listed():
    inner = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--\r\n"
    outer = b"Content-Type: message/rfc822\r\n\r\n" + inner
    assert [(part.section, part.text) for part in look_inside(b"A: 1\r\n", outer).leaves] == [
        ("1.1", "one"),
        ("1.2", "two"),
    ]


def test_a_header_section_becomes_readable_lines():
    header = b"Subject: =?utf-8?q?=C3=BC?=\r\n =?utf-8?q?ber?=\r\nFrom: a@b\r\n\r\n"
    assert header_text(header) == "subject: über\nfrom: a@b"
