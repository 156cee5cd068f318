import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.addresslist import (
    GROUP_END,
    MISSING_DOMAIN,
    MISSING_MAILBOX,
    HeaderAddress,
    parse_address_list,
)


def one(name, mailbox, host, route=None):
    return [HeaderAddress(name, route, mailbox, host)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"joe@example.com", one(None, b"joe", b"example.com")),
        (b"Joe Blow <joe@example.com>", one(b"Joe Blow", b"joe", b"example.com")),
        (b'"Blow, Joe" <joe@example.com>', one(b"Blow, Joe", b"joe", b"example.com")),
        (rb'"Joe \"Q\" Blow" <joe@example.com>', one(b'Joe "Q" Blow', b"joe", b"example.com")),
        (b"John Q. Public <j@x.org>", one(b"John Q. Public", b"j", b"x.org")),
        (b"joe@example.com (Joe Blow)", one(b"Joe Blow", b"joe", b"example.com")),
        (b"Joe (the (real) one) <joe@x.org>", one(b"Joe", b"joe", b"x.org")),
        (b'"joe blow"@x.org', one(None, b"joe blow", b"x.org")),
        (b"<@relay1,@relay2:joe@x.org>", one(None, b"joe", b"x.org", b"@relay1,@relay2")),
        (b"pete (a wonderful \\) chap) @ silly . test", one(b"a wonderful ) chap", b"pete", b"silly.test")),
        (b"john . doe @ x.org", one(None, b"john.doe", b"x.org")),
        (b"joe@[192.0.2.1]", one(None, b"joe", b"[192.0.2.1]")),
        (b"=?utf-8?Q?J=C3=B6rg?= <j@x.org>", one(b"=?utf-8?Q?J=C3=B6rg?=", b"j", b"x.org")),
        (b"J\xf6rg <j@x.org>", one(b"J\xf6rg", b"j", b"x.org")),
        (b"joe", one(None, b"joe", MISSING_DOMAIN)),
        (b"Joe Blow", one(b"Joe Blow", MISSING_MAILBOX, MISSING_DOMAIN)),
        (b"Joe <joe>", one(b"Joe", b"joe", MISSING_DOMAIN)),
        (b"<>", one(None, MISSING_MAILBOX, MISSING_DOMAIN)),
        (b"@x.org", one(None, MISSING_MAILBOX, b"x.org")),
        (b"joe@", one(None, b"joe", MISSING_DOMAIN)),
        (b"Joe <joe@x.org", one(b"Joe", b"joe", b"x.org")),
        (b"Joe <joe@x.org> the first", one(b"Joe", b"joe", b"x.org")),
        (b"joe blow@x.org", one(b"joe", b"blow", b"x.org")),
        (b"a@good.test(x)evil.test", one(b"x", b"a", b"good.test")),
        (b"<a@good.test evil.test>", one(None, b"a", b"good.test")),
        (b'a@good.test"evil.test"', one(None, b"a", b"good.test")),
        (b"a@[192.0.2.1]evil.test", one(None, b"a", b"[192.0.2.1]")),
        (b"a@good(x).test", one(b"x", b"a", b"good.test")),
        (b"a@good .test", one(None, b"a", b"good.test")),
        (b"a@good. (x) test", one(b"x", b"a", b"good.test")),
        (b"joe(x)evil@good.test", one(b"joe", b"evil", b"good.test")),
        (b"", []),
        (b" , ,, ", []),
    ],
)
def test_an_address_of_a_header_field_is_taken_apart(value, expected):
    assert parse_address_list(value) == expected


def test_addresses_are_separated_by_commas_outside_quotes_and_comments():
    found = parse_address_list(b'a@x.org, "b, c" <b@x.org>, d@x.org (e, f), g@x.org')
    assert [address.mailbox for address in found] == [b"a", b"b", b"d", b"g"]


def test_a_group_opens_and_closes_with_structures_that_have_no_host():
    assert parse_address_list(b"A Group:Ed <e@x.org>,joe@y.org; tail@z.org") == [
        HeaderAddress(None, None, b"A Group", None),
        HeaderAddress(b"Ed", None, b"e", b"x.org"),
        HeaderAddress(None, None, b"joe", b"y.org"),
        GROUP_END,
        HeaderAddress(None, None, b"tail", b"z.org"),
    ]


def test_an_empty_group_and_one_that_is_never_closed_are_closed():
    opened = HeaderAddress(None, None, b"undisclosed-recipients", None)
    assert parse_address_list(b"undisclosed-recipients:;") == [opened, GROUP_END]
    assert parse_address_list(b"undisclosed-recipients:") == [opened, GROUP_END]


def test_semicolons_of_careless_senders_separate_too():
    assert [address.host for address in parse_address_list(b"a@x.org; b@y.org")] == [b"x.org", b"y.org"]


def test_a_hostile_list_is_cut_off():
    assert len(parse_address_list(b"a@b," * 5000)) == 2000


def test_deep_comments_end():
    assert parse_address_list(b"(" * 10_000 + b"x@y.org") == []


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from(list(b'<>@,;:()[]"\\ .ab\t')), max_size=60).map(bytes)
)
def test_no_octets_upset_the_reader(value):
    found = parse_address_list(value)
    depth = 0
    for address in found:
        if address.host is None:
            depth += 1 if address.mailbox is not None else -1
        else:
            assert address.mailbox
        assert depth in (0, 1)
    assert depth == 0


def test_of_a_value_that_is_too_long_the_whole_addresses_are_read():
    value = b"a@x.org, " * 3 + b'"b, c" <b@x.org>'
    for octets in range(len(value)):
        found = parse_address_list(value, octets)
        assert all(address == HeaderAddress(None, None, b"a", b"x.org") for address in found)
    assert len(parse_address_list(value, len(value))) == 4
