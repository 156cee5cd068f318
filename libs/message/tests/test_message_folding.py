"""Text as it is compared: canonically equivalent texts are equal, in linear time."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.charsets import decode_claimed, decode_octets
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
        (b"text", "'utf-8'", "text"),
    ],
)
def test_vietnamese_charsets_decode_to_composed_letters(octets: bytes, charset: str, expected: str) -> None:
    assert decode_octets(octets, charset) == expected


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
