import fnmatch
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.filter.rules.patterns import Comparison, Pattern, PatternError, PatternSet, check_pattern
from mailyard.message.folding import normalized


def matches(pattern: Pattern, text: str) -> bool:
    return PatternSet([pattern]).match([text]).numbers == {0}


@pytest.mark.parametrize(
    ("test", "pattern", "text", "expected"),
    [
        (Comparison.CONTAINS, "lottery", "the Lottery is yours", True),
        (Comparison.CONTAINS, "a.c", "abc", False),
        (Comparison.CONTAINS, "ÜBER", "über", True),
        (Comparison.IS, "acme", "ACME", True),
        (Comparison.IS, "acme", "acme2", False),
        (Comparison.GLOB, "*.exe", "setup.EXE", True),
        (Comparison.GLOB, "*.exe", "setup.exe.txt", False),
        (Comparison.GLOB, "?.exe", "a.exe", True),
        (Comparison.GLOB, "?.exe", "ab.exe", False),
        (Comparison.GLOB, "a*b", "a\nb", True),
        (Comparison.GLOB, "a[b]", "a[b]", True),
        (Comparison.REGEX, r"^\d+$", "123", True),
        (Comparison.REGEX, r"^\d+$", "123x", False),
        (Comparison.REGEX, r"(?-i)abc", "ABC", False),
    ],
)
def test_patterns_match_as_their_test_says(test, pattern, text, expected):
    assert matches(Pattern(test, pattern), text) is expected


def test_case_may_make_a_difference():
    assert not matches(Pattern(Comparison.CONTAINS, "abc", ignore_case=False), "ABC")
    assert matches(Pattern(Comparison.CONTAINS, "abc", ignore_case=False), "xabc")


def test_a_loose_space_is_any_white_space():
    loose = Pattern(Comparison.CONTAINS, "wire  transfer", loose_space=True)
    assert matches(loose, "a wire\r\n transfer")
    assert not matches(loose, "a wiretransfer")
    assert not matches(Pattern(Comparison.CONTAINS, "wire transfer"), "a wire\r\ntransfer")
    assert matches(Pattern(Comparison.GLOB, "a b*", loose_space=True), "a\n\nbcd")


def test_all_patterns_are_matched_in_all_texts():
    patterns = PatternSet([Pattern(Comparison.CONTAINS, word) for word in ("one", "two", "three", "four")])
    assert patterns.match(["one", b"and three"]).numbers == {0, 2}
    assert patterns.match([]).numbers == set()
    assert patterns.match([""]).numbers == set()


def test_octets_of_any_kind_can_be_matched():
    patterns = PatternSet(
        [Pattern(Comparison.CONTAINS, "ü"), Pattern(Comparison.REGEX, r"\xff")], octets=True
    )
    assert patterns.match([b"\0\xc3\xbc\xff"]).numbers == {0, 1}


def test_text_with_lone_surrogates_is_no_obstacle():
    assert matches(Pattern(Comparison.CONTAINS, "x"), "\ud800x")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        (r"(a)\1", "invalid escape"),
        ("a{1001}", "repetition"),
        ("", "everything"),
        ("(?=a)", "invalid"),
    ],
)
def test_what_re2_does_not_take_is_refused_with_its_reason(pattern, reason):
    with pytest.raises(PatternError, match=reason):
        check_pattern(Pattern(Comparison.REGEX, pattern))


class OutOfMemory:
    """A set that RE2 gave up on."""

    def Match(self, _octets):  # noqa: N802 - the name that RE2 gave it
        return None


def test_a_set_that_fails_is_matched_one_by_one(monkeypatch):
    patterns = PatternSet([Pattern(Comparison.CONTAINS, "one"), Pattern(Comparison.CONTAINS, "two")])
    monkeypatch.setattr(patterns._folded, "_set", OutOfMemory())
    found = patterns.match(["two and three"])
    assert (found.numbers, found.complete) == ({1}, True)


def test_a_set_that_fails_has_a_budget_and_says_when_it_is_used_up(monkeypatch):
    words = [Pattern(Comparison.CONTAINS, f"word{number}") for number in range(500)]
    patterns = PatternSet(words)
    monkeypatch.setattr(patterns._folded, "_set", OutOfMemory())
    start = time.process_time()
    found = patterns.match(["word3 " + "x" * 8_000_000 + " word4"])
    assert (found.numbers, found.complete) == ({3}, False)
    assert time.process_time() - start < 10


def test_patterns_that_need_too_much_memory_are_refused_when_they_are_loaded(monkeypatch):
    monkeypatch.setattr("mailyard.filter.rules.patterns._MEMORY", 1 << 20)
    with pytest.raises(PatternError, match="together"):
        PatternSet([Pattern(Comparison.REGEX, rf"\pL{{200}}{number}") for number in range(500)])


@pytest.mark.parametrize(
    "comparison", [Comparison.CONTAINS, Comparison.IS, Comparison.GLOB, Comparison.REGEX]
)
@pytest.mark.parametrize("text", ["hóa đơn", "điện", "größe", "ΌΣΟΣ"])
def test_text_and_pattern_match_in_every_normalisation_form_and_case(comparison, text):
    for form in ("NFC", "NFD"):
        for other in ("NFC", "NFD"):
            pattern = Pattern(comparison, unicodedata.normalize(form, text))
            assert matches(pattern, unicodedata.normalize(other, text))
            assert matches(pattern, unicodedata.normalize(other, text).lower())


def test_letters_that_fold_to_several_are_equal():
    assert matches(Pattern(Comparison.CONTAINS, "STRASSE"), "die straße")
    assert matches(Pattern(Comparison.CONTAINS, "straße"), "DIE STRASSE")


def test_a_loose_space_is_also_a_space_that_does_not_break():
    assert matches(Pattern(Comparison.CONTAINS, "you have won", loose_space=True), "you\u00a0have\u3000won")


def test_an_expression_that_is_hard_for_others_takes_linear_time():
    patterns = PatternSet([Pattern(Comparison.REGEX, "(a+)+$"), Pattern(Comparison.REGEX, "(a|aa)*b")])
    text = "a" * 200_000 + "!"
    start = time.process_time()
    assert patterns.match([text]).numbers == set()
    assert time.process_time() - start < 2


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=30),
)
def test_literals_mean_themselves(literal, text):
    check_pattern(Pattern(Comparison.CONTAINS, literal))
    assert matches(Pattern(Comparison.CONTAINS, literal, ignore_case=False), text) is (
        normalized(literal) in normalized(text)
    )
    assert matches(Pattern(Comparison.IS, literal, ignore_case=False), literal)


@given(st.text("ab*?.[", min_size=1, max_size=6), st.text("ab.[", max_size=8))
def test_globs_mean_what_globs_mean(glob, text):
    expected = fnmatch.fnmatchcase(text, glob.replace("[", "[[]"))
    assert matches(Pattern(Comparison.GLOB, glob, ignore_case=False), text) is expected
