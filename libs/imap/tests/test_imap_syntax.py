"""The small productions of the grammar, by known answers and by round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_encoding import encode_nstring

from mailyard.imap.grammar import syntax
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.limits import ImapLimits


@pytest.mark.parametrize(
    ("octets", "value", "rest"),
    [
        (b"INBOX rest", b"INBOX", b" rest"),
        (b'"with space" x', b"with space", b" x"),
        (rb'"a \"quoted\" \\ word")', rb'a "quoted" \ word', b")"),
        (b'""', b"", b""),
        (b"{5}\r\nhello world", b"hello", b" world"),
        (b"{5+}\r\nhello", b"hello", b""),
        (b"{0}\r\n", b"", b""),
        (b"a]b", b"a]b", b""),
        (b'"\xc3\xa9"', b"\xc3\xa9", b""),
    ],
)
def test_astrings_are_read_up_to_their_end(octets, value, rest):
    cursor = Cursor(octets)
    assert syntax.astring(cursor) == value
    assert octets[cursor.position :] == rest


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"(",
        b'"open',
        b'"line\r\nend"',
        b'"nul\x00"',
        rb'"\a"',
        b"{6}\r\nhello",
        b"{2}\r\n\x00a",
        b"{x}",
        b"%",
        b"\xe9",
    ],
)
def test_octets_that_are_no_astring_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        syntax.astring(Cursor(octets))


@pytest.mark.parametrize(
    ("octets", "value"), [(b"NIL", None), (b"nil", None), (b'"NIL"', b"NIL"), (b"{1}\r\nx", b"x")]
)
def test_nil_is_only_nil_without_quotes(octets, value):
    assert syntax.nstring(Cursor(octets)) == value


@pytest.mark.parametrize("octets", [b"4294967296", b"99999999999", b"-1", b"x"])
def test_numbers_beyond_32_bits_and_words_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        syntax.number(Cursor(octets))


def test_zero_is_a_number_but_not_an_nz_number():
    assert syntax.number(Cursor(b"0")) == 0
    with pytest.raises(CommandSyntaxError):
        syntax.nz_number(Cursor(b"0"))


def test_lists_have_a_largest_length():
    cursor = Cursor(b"(a b c)", ImapLimits(items=2))
    with pytest.raises(CommandSyntaxError, match="too long"):
        syntax.parenthesised(cursor, syntax.atom)


def test_the_empty_list_and_a_list_of_atoms():
    assert syntax.parenthesised(Cursor(b"()"), syntax.atom) == ()
    assert syntax.parenthesised(Cursor(b"(a b)"), syntax.atom) == (b"a", b"b")


@pytest.mark.parametrize("octets", [b"( a b)", b"(a b )", b"(a  b)", b"(   a b)"])
def test_stray_spaces_in_lists_do_no_harm(octets):
    assert syntax.parenthesised(Cursor(octets), syntax.atom) == (b"a", b"b")


@pytest.mark.parametrize("octets", [b"(a", b"a)", b"(a(b))", b'(a"b")'])
def test_lists_without_spaces_or_ends_are_refused(octets):
    with pytest.raises(CommandSyntaxError):
        syntax.parenthesised(Cursor(octets), syntax.atom)


_STRINGS = st.binary(max_size=50).map(lambda octets: octets.replace(b"\x00", b""))


@given(_STRINGS)
def test_every_string_survives_encoding(octets):
    assert syntax.string(Cursor(syntax.encode_string(octets))) == octets


@given(_STRINGS)
def test_every_astring_survives_encoding(octets):
    assert syntax.astring(Cursor(syntax.encode_astring(octets))) == octets


@given(st.none() | _STRINGS)
def test_every_nstring_survives_encoding(octets):
    assert syntax.nstring(Cursor(encode_nstring(octets))) == octets
