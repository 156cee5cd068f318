"""Header fields as text: what SEARCH and filters compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.headertext import address_texts, header_text
from mailyard.message.htmltext import claimed_charset, visible_text
from mailyard.message.messageids import first_message_id, message_ids


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (b"a@good(x).test", ["x <a@good.test>"]),
        (b"a @ good . test", ["<a@good.test>"]),
        (b'"Joe \\"Q\\" Blow" <joe@x.test>', ['Joe "Q" Blow <joe@x.test>']),
        (b'"b o b"@x.test', ["<b o b@x.test>"]),
        (b"one <a@x.test>, two (comment) <b @y.test>", ["one <a@x.test>", "two <b@y.test>"]),
        (b"team: a@x.test, (c) b@x.test;", ["<a@x.test>", "c <b@x.test>"]),
        (b"=?utf-8?Q?J=C3=B6rg?= (x) <j@x.test>", ["Jörg <j@x.test>"]),
        (b"a\0@x.test", ["<a@x.test>"]),
    ],
)
def test_addresses_are_found_as_clients_show_them(value: bytes, texts: list[str]) -> None:
    assert list(address_texts(value)) == texts


@pytest.mark.parametrize(
    "value", [b"", b"a@x.test", b"Joe <a@x.test>, Ann <b@y.test>", b"team: a@x.test;", b"no address"]
)
def test_addresses_that_the_value_itself_shows_are_not_given_again(value: bytes) -> None:
    assert list(address_texts(value)) == []


@given(st.binary(max_size=100))
def test_no_octets_make_the_texts_fail(octets: bytes) -> None:
    assert all(isinstance(text, str) for text in address_texts(octets))
    assert isinstance(header_text(octets), str)


def test_fields_of_a_header_are_lines_with_their_decoded_values() -> None:
    header = b"Subject: =?iso-8859-1?Q?=FC?=\r\n ber\r\nno colon\r\nX-\xfc: \xfc\r\n\r\n"
    assert header_text(header).split("\n") == ["subject: ü ber", ": no colon", "x-ü: ü"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", " one  two "),
        ("<b>b</b>old", "bold"),
        ("a<br/>b", "a b"),
        ("fish &amp; chips &#252;", "fish & chips ü"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("vi<!-- hidden -->agra", "viagra"),
        ("vi<!-- never closed", "vi<!-- never closed"),
        ("<!----><!-->x--> y", " y"),
        ("<A HREF='x'>link</A>", "link"),
    ],
)
def test_the_visible_text_is_without_tags_and_comments(html: str, text: str) -> None:
    assert visible_text(html) == text


@pytest.mark.parametrize(
    ("octets", "charset"),
    [
        (b'<meta charset="utf-8">', "utf-8"),
        (b"<META HTTP-EQUIV=x content='text/html; charset=KOI8-R'>", "KOI8-R"),
        (b"<p>charset=utf-8</p>", ""),
        (b" " * 4096 + b"<meta charset=utf-8>", ""),
        (b"<meta charset=>", ""),
    ],
)
def test_a_meta_element_near_the_beginning_claims_a_charset(octets: bytes, charset: str) -> None:
    assert claimed_charset(octets) == charset


@pytest.mark.parametrize(
    ("value", "identifiers"),
    [
        (b"", ()),
        (b"<1@x.test>", ("<1@x.test>",)),
        (b"<1@x.test> (comment) <2@x.test><3@x.test>", ("<1@x.test>", "<2@x.test>", "<3@x.test>")),
        (b"no brackets <a b> <>", ()),
        (b"<\xff\0@x.test>", ("<\ufffd@x.test>",)),
        (b"<" + b"x" * 991 + b">", ()),
    ],
)
def test_identifiers_have_their_angle_brackets(value: bytes, identifiers: tuple[str, ...]) -> None:
    assert message_ids(value) == identifiers


def test_of_very_many_identifiers_the_first_and_the_latest_are_kept() -> None:
    """RFC 5322 section 3.6.4: the first is that of the thread, the last that of the parent."""
    found = message_ids(b" ".join(b"<%d@x.test>" % number for number in range(1000)))
    assert len(found) == 200
    assert (found[0], found[1], found[-1]) == ("<0@x.test>", "<801@x.test>", "<999@x.test>")


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        (b"x <1@x.test> <2@x.test>", "<1@x.test>"),
        (b" 1@x.test 2", "1@x.test"),
        (b" \r\n ", ""),
        (b"y" * 2000, "y" * 990),
    ],
)
def test_the_first_identifier_may_lack_its_brackets(value: bytes, identifier: str) -> None:
    assert first_message_id(value) == identifier
