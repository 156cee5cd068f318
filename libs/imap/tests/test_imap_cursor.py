"""The cursor: each read names what it expected, and leaves the position where it was."""

import re

import pytest

from mailyard.imap.grammar.cursor import CommandRefused, CommandSyntaxError, Cursor

DIGITS = re.compile(rb"\d+")


def test_octets_are_seen_skipped_and_expected() -> None:
    cursor = Cursor(b"ab12")
    assert cursor.sees(b"ab")
    assert not cursor.skip(b"b")
    assert cursor.skip(b"a")
    cursor.expect(b"b", "a b")
    assert cursor.require(DIGITS, "a number") == b"12"
    assert cursor.at_end


def test_an_error_names_what_was_expected_and_keeps_the_position() -> None:
    cursor = Cursor(b"xyz")
    with pytest.raises(CommandSyntaxError, match="Expected a number"):
        cursor.require(DIGITS, "a number")
    with pytest.raises(CommandSyntaxError, match="Expected a comma"):
        cursor.expect(b",", "a comma")
    assert cursor.match(DIGITS) is None
    assert cursor.position == 0


def test_a_literal_that_is_cut_short_is_an_error() -> None:
    assert Cursor(b"abc").take(3) == b"abc"
    with pytest.raises(CommandSyntaxError, match="cut short"):
        Cursor(b"abc").take(4)


def test_a_refusal_has_a_text_and_a_response_code() -> None:
    refusal = CommandRefused("Memory is scarce", "LIMIT")
    assert (str(refusal), refusal.text, refusal.code) == ("Memory is scarce", "Memory is scarce", "LIMIT")
    assert CommandRefused("x").code == ""
