import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.address import Address, AddressError


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("joe@example.com", "joe", "example.com"),
        ("Joe.Blow@EXAMPLE.Com", "Joe.Blow", "example.com"),
        ('"joe blow"@example.com', "joe blow", "example.com"),
        ('"joe"@example.com', "joe", "example.com"),
        (r'"a\"b\\c"@example.com', 'a"b\\c', "example.com"),
        ('"a@b"@example.com', "a@b", "example.com"),
        ("user+tag@sub.example.com", "user+tag", "sub.example.com"),
        ("!#$%&'*+-/=?^_`{|}~@x.org", "!#$%&'*+-/=?^_`{|}~", "x.org"),
        ("jörg@example.com", "jörg", "example.com"),
        ("a@Bücher.example", "a", "xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a", "xn--bcher-kva.example"),
        ("a@localhost", "a", "localhost"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:DB8::1]", "a", "[ipv6:2001:db8::1]"),
    ],
)
def test_an_address_is_read_without_its_quoting(text, local, domain):
    assert Address.parse(text) == Address(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "joe",
        "@example.com",
        "joe@",
        "joe@example..com",
        "joe@.example.com",
        "joe@-example.com",
        "joe@example-.com",
        ".joe@example.com",
        "joe.@example.com",
        "jo..e@example.com",
        "joe blow@example.com",
        '"joe@example.com',
        '"jo\0e"@example.com',
        "joe@exam ple.com",
        "joe@example.com\r\n",
        "joe@[1.2.3]",
        "joe@[192.0.2.1",
        "joe@[IPv6:12345::]",
        "joe@" + "a" * 64 + ".com",
        "joe@" + "a.aaaaaaaaa" * 30,
        "j" * 600 + "@example.com",
        "joe@exa\u2028mple.com",
        "<joe@example.com>",
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(text):
    with pytest.raises(AddressError) as refusal:
        Address.parse(text)
    assert str(refusal.value)


def test_quoting_is_written_only_where_it_is_needed():
    assert str(Address("joe", "x.org")) == "joe@x.org"
    assert str(Address("joe blow", "x.org")) == '"joe blow"@x.org'
    assert str(Address('a"b\\', "x.org")) == '"a\\"b\\\\"@x.org'
    assert str(Address("a..b", "x.org")) == '"a..b"@x.org'


def test_the_key_ignores_case_and_quoting():
    assert Address.parse('"Joe"@Example.COM').key == Address.parse("jOE@example.com").key == "joe@example.com"


def test_the_key_of_composed_and_decomposed_letters_is_one():
    assert Address.parse("jo\u0308rg@x.org").key == Address.parse("j\u00f6rg@x.org").key


def test_detail_stands_behind_the_first_separator():
    assert Address.parse("joe+lists+more@x.org").base_and_detail() == ("joe", "lists+more")
    assert Address.parse("joe-x@x.org").base_and_detail("-") == ("joe", "x")
    assert Address.parse("joe@x.org").base_and_detail() == ("joe", "")
    assert Address.parse("+joe@x.org").base_and_detail() == ("+joe", "")


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    assert Address.parse("jörg@x.org").needs_smtputf8
    assert not Address.parse("joe@bücher.example").needs_smtputf8


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_refused(text):
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address
    assert Address.parse(address.key).key == address.key


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
def test_every_printable_local_part_survives_writing_and_reading(local):
    address = Address(local, "example.com")
    assert Address.parse(str(address)) == address
