import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.message.addresslist import (
    GROUP_END,
    MAX_ADDRESSES,
    MAX_OCTETS,
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


def test_deep_comments_are_comments_if_they_end_and_else_hide_nothing():
    assert parse_address_list(b"(" * 10_000 + b"a@b" + b")" * 10_000 + b"x@y.org")[0].host == b"y.org"
    assert parse_address_list(b"(" * 10_000 + b"x@y.org") == one(None, b"x", b"y.org")


@pytest.mark.parametrize(
    ("value", "names", "addresses"),
    [
        # a comma is missing
        (b"a@x.org b@y.org", [None, None], ["a@x.org", "b@y.org"]),
        (b"a@x.org Bob b@y.org", [None, b"Bob"], ["a@x.org", "b@y.org"]),
        (b"a@x.org. b@y.org", [None, None], ["a@x.org.", "b@y.org"]),
        (b"a@[192.0.2.1] b@y.org", [None, None], ["a@[192.0.2.1]", "b@y.org"]),
        (b"<a@x.org><b@y.org>", [None, None], ["a@x.org", "b@y.org"]),
        (b"<a@x.org> b@y.org", [None, None], ["a@x.org", "b@y.org"]),
        (b"Ann <a@x.org> Bob <b@y.org>", [b"Ann", b"Bob"], ["a@x.org", "b@y.org"]),
        (b"<> b@y.org", [None, None], ["MISSING_MAILBOX@MISSING_DOMAIN", "b@y.org"]),
        (b"a@x.org> b@y.org", [None, None], ["a@x.org", "b@y.org"]),
        (b"a@x.org)b@y.org", [None, None], ["a@x.org", "b@y.org"]),
        (b"a@x.org\0b@y.org", [None, None], ["a@x.org", "b@y.org"]),
        # brackets that do not fit
        (b"<a@x.org <b@y.org>", [None, None], ["a@x.org", "b@y.org"]),
        (b"Ann <nick <b@y.org>", [b"Ann nick"], ["b@y.org"]),
        (b"<<a@x.org>>", [None], ["a@x.org"]),
        (b"<a@x.org b@y.org>", [None, None], ["a@x.org", "b@y.org"]),
        (b'<"a b"@x.org c@y.org>', [None, None], ["a b@x.org", "c@y.org"]),
        (b"<a@x.org, b@y.org>", [None, None], ["a@x.org", "b@y.org"]),
        (b"<Ann a@x.org>", [b"Ann"], ["a@x.org"]),
        (b"a@[x,b@y.org]", [None, None], ["a@[x", "b@y.org]"]),
        (b"a@[x, b@y.org, c@z.org", [None] * 3, ["a@[x", "b@y.org", "c@z.org"]),
        # quotes and comments that do not end
        (b'a@x.org, "Bob <b@y.org>, c@z.org', [None, b"Bob", None], ["a@x.org", "b@y.org", "c@z.org"]),
        (b'"a@x.org', [None], ["a@x.org"]),
        (b'a"@x.org', [None], ["a@x.org"]),
        (rb'"Bob \" <b@y.org>, c@z.org', [b"Bob \\", None], ["b@y.org", "c@z.org"]),
        (b"a@x.org, Bob (<b@y.org>, c@z.org", [None, b"Bob", None], ["a@x.org", "b@y.org", "c@z.org"]),
        (b"a@x.org (b@y.org) (c@z.org)", [b"b@y.org c@z.org"], ["a@x.org"]),
        # quotes beside words
        (b'"x"y@z.org', [b"x"], ["y@z.org"]),
        (b'x"y"@z.org', [b"x"], ["y@z.org"]),
        (b'"x"."y"@z.org', [None], ["x.y@z.org"]),
        (b'"a@x.org" <b@y.org>', [b"a@x.org"], ["b@y.org"]),
        (b"a@x.org <b@y.org>", [b"a@x.org"], ["b@y.org"]),
        # several @
        (b"a@b@c", [None], ["a@b@c"]),
        (b"@a@b", [None], ["@a@b"]),
        (b"a@@b", [None], ["a@@b"]),
        # routes and what looks like one
        (b"<@r.org,a@x.org:b@y.org>", [None] * 3, ["MISSING_MAILBOX@r.org", "a@x.org", "b@y.org"]),
        (b"<@r.org,a@x.org", [None] * 2, ["MISSING_MAILBOX@r.org", "a@x.org"]),
        (b"@r.org:a@x.org", [None] * 2, ["MISSING_MAILBOX@r.org", "a@x.org"]),
        (b"<a@x.org:b@y.org>", [None] * 2, ["a@x.org", "b@y.org"]),
        (b"a@x.org:b@y.org;", [None] * 2, ["a@x.org", "b@y.org"]),
    ],
)
def test_no_address_of_a_malformed_list_is_lost(value, names, addresses):
    found = parse_address_list(value)
    assert [each.name for each in found] == names
    assert [f"{each.mailbox.decode()}@{each.host.decode()}" for each in found] == addresses


def test_a_group_in_a_group_ends_the_outer_one():
    assert parse_address_list(b"G: a@x.org, H: b@y.org;, c@z.org;, d@z.org") == [
        HeaderAddress(None, None, b"G", None),
        HeaderAddress(None, None, b"a", b"x.org"),
        GROUP_END,
        HeaderAddress(None, None, b"H", None),
        HeaderAddress(None, None, b"b", b"y.org"),
        GROUP_END,
        HeaderAddress(None, None, b"c", b"z.org"),
        HeaderAddress(None, None, b"d", b"z.org"),
    ]


def test_text_behind_an_address_without_a_name_is_its_name():
    assert parse_address_list(b"<joe@x.org> Joe Blow") == one(b"Joe Blow", b"joe", b"x.org")


@given(st.lists(st.sampled_from([*b'<>@,;:()[]"\\ .', b"a1", b"b2"]), max_size=40))
def test_every_word_beside_an_at_sign_is_in_the_answer(pieces):
    value = b"".join(piece if isinstance(piece, bytes) else bytes((piece,)) for piece in pieces)
    shown = b" ".join(text for each in parse_address_list(value) for text in each if text)
    for address in (b"a1@b2", b"b2@a1", b"a1@a1", b"b2@b2"):
        if address in value and b"(" not in value:
            assert all(word in shown for word in address.split(b"@"))


@pytest.mark.parametrize(
    "piece",
    [b"@", b"a@b ", b'"', rb'\"', rb'"\"', b"(", b"()", b"(\\)", b"[", b"[a", b"<", b"<a", b"<a@b", b"<@a,", b":", b"<@a:",
     b"a:", b"a. ", b"@a.", b'"a"', b"<> a ", b" ", b"\0", b")"],
)  # fmt: skip
def test_the_time_for_a_hostile_list_is_linear(piece):
    """64 KiB took seconds where a search began anew at each octet."""
    value = b"x y," + piece * ((MAX_OCTETS - 4) // len(piece))
    times = []
    for _ in range(5):  # the quickest counts: other work on the machine makes any single one slower
        began = time.process_time()
        assert len(parse_address_list(value)) <= MAX_ADDRESSES + 3
        times.append(time.process_time() - began)
        if times[-1] < 0.5:
            break
    assert min(times) < 0.5


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from(list(b'<>@,;:()[]"\\ .ab\t')), max_size=60).map(bytes)
)
def test_no_octets_make_the_reader_fail(value):
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


def test_a_value_that_is_too_long_and_lacks_commas_is_read_up_to_the_address_that_is_cut():
    assert len(parse_address_list(b"a@x.org " * 10, 75)) == 9
