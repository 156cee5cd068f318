"""Text as it is compared: canonically equivalent texts are equal, in linear time."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.charsets import decode_claimed, decode_octets, is_known_charset
from mailyard.message.defects import Defect
from mailyard.message.encodedwords import decode_words
from mailyard.message.folding import folded, normalized


@pytest.mark.parametrize(
    "text", ["Hóa đơn", "điện", "Nguyễn", "Ünïcode", "Straße", "ΣΊΣΥΦΟΣ", "한글", "İstanbul"]
)
def test_a_text_is_equal_in_every_normalisation_form_and_case(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert folded(composed) == folded(decomposed)
    assert folded(composed.upper()) == folded(decomposed.lower().upper())
    assert normalized(decomposed) == composed


@given(st.text(max_size=60))
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)
    assert normalized(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "run",
    ["\u0300\u0316", "\u0f73", "a\u0316\u0300", "\u00e1\u0316", "\u1fb7"],
    ids=["marks", "marks that decompose", "letters with marks", "composed letters", "long decompositions"],
)
def test_normalisation_takes_time_that_grows_with_the_text_only(run: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        folded(run * times)
        return time.process_time() - start

    seconds(10)
    half, whole = min(seconds(50_000) for _ in range(3)), min(seconds(100_000) for _ in range(3))
    assert whole < 4 * half + 0.02
    assert whole < 1.0


@pytest.mark.parametrize(
    ("octets", "charset", "expected"),
    [
        (b"Ho\xeca \xf0\xf5n", "windows-1258", "Hóa đơn"),
        (b"\xf0i\xea\xf2n", "windows-1258", "điện"),
        (b"\xf0i\xea\xf2n", "CP1258", "điện"),
        (b"\xf0i\xaen", "VISCII", "điện"),
        (b"\xf0i\xaen", "csVISCII", "điện"),
        (b"\xf0i\xaen", "VISCII1.1-1", "điện"),
        ("Hóa đơn điện tử".encode("cp1258", "ignore") and b"H\xf3a \xf0\xbdn", "VISCII", "Hóa đơn"),
        (b"H\xe3a \xae\xacn", "x-viet-tcvn5712", "Hóa đơn"),
        (b"H\xe3a \xae\xacn", "TCVN5712-1:1993", "Hóa đơn"),
        (b"o\xb3", "tcvn", "ó"),
        (b"H\xf3a \xc7\xd6n \xc7i\x8cn t\xd8", "VPS", "Hóa đơn điện từ"),
        (b"L\xc3y l\xe5i m\xc6t kh\xc4u", "x-viet-vps", "Lấy lại mật khẩu"),
        (b"\x02\x03\x04\x05\x06\x10\x11\x12\x13\x14\x15\x19\x1c\x1d", "x-vps", "ẠẬẶẸỆỊỌỘỢỤỰỴẪỮ"),
        (b"text", "'utf-8'", "text"),
    ],
)
def test_vietnamese_charsets_decode_to_composed_letters(octets: bytes, charset: str, expected: str) -> None:
    assert decode_octets(octets, charset) == expected


def test_each_vietnamese_letter_is_in_each_vietnamese_charset() -> None:
    letters = {chr(code) for code in range(0x1EA0, 0x1EFA)} | set(
        "ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝàáâãèéêìíòóôõùúýĂăĐđĨĩŨũƠơƯư"
    )
    for charset in ("viscii", "vps"):
        assert letters <= set(decode_octets(bytes(range(256)), charset)), charset


@pytest.mark.parametrize(
    ("charset", "octets", "expected"),
    [
        ("windows1251", b"\xcf\xf0\xe8", "При"),
        ("win-1251", b"\xcf\xf0\xe8", "При"),
        ("x-cp1251", b"\xcf\xf0\xe8", "При"),
        ("ansi-1251", b"\xcf\xf0\xe8", "При"),
        ("koi8r", b"\xf0\xd2\xc9", "При"),
        ("koi8-u", b"\xf0\xd2\xc9", "При"),
        ("x-cp866", b"\x8f\xe0\xa8", "При"),
        ("DOS-866", b"\x8f\xe0\xa8", "При"),
        ("iso88591", b"\xfc", "ü"),
        ("x-windows-1252", b"\x80", "€"),
        ("ISO-8859-11", b"\xa1", "ก"),
        ("x-windows-874", b"\xa1", "ก"),
        ("windows-31j", b"\x82\xa0", "あ"),
        ("windows-949", b"\xb0\xa1", "가"),
        ("ks_c_5601-1987", b"\xb0\xa1", "가"),
        ("x-euc-kr", b"\xb0\xa1", "가"),
        ("csGB2312", b"\xc4\xe3", "你"),
        ("gb_2312-80", b"\xc4\xe3", "你"),
        ("cn-big5", b"\xa7\x41", "你"),
        ("cp50221", b'\x1b$B$"\x1b(B', "あ"),
        ("x-mac-greek", b"\xe1", "α"),
        ("iso-8859-8-i", b"\xe0", "א"),
        ("logical", b"\xe0", "א"),
        ("cp65001", b"\xc3\xbc", "ü"),
    ],
)
def test_charsets_are_known_under_the_names_that_mail_uses(
    charset: str, octets: bytes, expected: str
) -> None:
    assert decode_claimed(octets, charset) == (expected, None)
    assert is_known_charset(charset)


@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "base64", "unicode-escape", "idna", "x", "cs", "x-no-such", "a" * 65]
)
def test_codecs_that_are_no_charsets_are_not_known(charset: str) -> None:
    assert not is_known_charset(charset)


def test_encoded_words_in_windows_1258_are_composed() -> None:
    assert decode_words(b"=?windows-1258?Q?=F0i=EA=F2n?=") == "điện"


@pytest.mark.parametrize(
    ("octets", "charset", "expected"),
    [
        (b"abc", "x-no-such", Defect.CHARSET_UNKNOWN),
        (b"\xff", "utf-8", Defect.CHARSET_WRONG),
        (b"\xff", "", Defect.CHARSET_WRONG),
        (b"\xc3\xbc", "us-ascii", None),
        (b"\xfc", "iso-8859-1", None),
        (b"abc", "", None),
    ],
)
def test_a_charset_that_is_unknown_or_untrue_is_a_defect(
    octets: bytes, charset: str, expected: Defect | None
) -> None:
    assert decode_claimed(octets, charset)[1] == expected
