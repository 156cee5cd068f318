"""Originator fields are read strictly: what two readers could understand in two ways is refused."""

import time

import pytest

from mailyard.smtp_in.mailboxes import MAX_OCTETS, AuthorFieldError, parse_mailboxes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" ann@one.test\r\n", ["ann@one.test"]),
        (b" Ann <ann@one.test>\r\n", ["ann@one.test"]),
        (b"<ann@one.test>", ["ann@one.test"]),
        (b' "Doe, Ann (x) <y@z>" <ann@one.test>', ["ann@one.test"]),
        (b" Ann B. Doe [Sales] <ann@one.test> (home)", ["ann@one.test"]),
        (b" ann@one.test (Ann Doe (senior))", ["ann@one.test"]),
        (b" (Ann)\r\n <ann@one.test>", ["ann@one.test"]),
        (b" Ann\r\n\t<ann@one.test>", ["ann@one.test"]),
        (b" ann@one.test <ann@one.test>", ["ann@one.test"]),
        (b" Ann@One.TEST <ann@one.test>", ["ann@one.test"]),
        (b" ANN <Ann+tag@ONE.test>", ["Ann+tag@one.test"]),
        (b" a@one.test, B <b@one.test>", ["a@one.test", "b@one.test"]),
        (b' "a b"@one.test', ['"a b"@one.test']),
        (b" a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        ("Jörg <jörg@bücher.test>".encode(), ["jörg@xn--bcher-kva.test"]),
        (b" =?utf-8?Q?J=C3=B6rg_D=2E?= <a@one.test>", ["a@one.test"]),
        (b" =?utf-8?Q?J=C3=B6rg?=\r\n =?utf-8?B?w7Y=?= <a@one.test>", ["a@one.test"]),
        (b" =?utf-8?Q?Ann_=40_Work?= <a@one.test>", ["a@one.test"]),
        (b" < a@one.test >", ["a@one.test"]),
    ],
)
def test_what_mail_programs_write_is_read(value: bytes, expected: list[str]) -> None:
    assert [str(each) for each in parse_mailboxes(value)] == expected


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"()", b"Ann", b"Ann <>", b"<>", b"@one.test", b"a@", b"a@@one.test", b"a@b@one.test",
        b"Friends: a@one.test;", b"Undisclosed:;", b"<@two.test:a@one.test>", b"a@one.test;",
        b"a@one.test, ", b",a@one.test", b"Doe, Ann <a@one.test>", b"a@one.test b@one.test",
        b"a@one.test <b@two.test>", b"<a@one.test> <b@two.test>", b"<a@one.test> b@two.test", b"<a@one.test> Ann",
        b"<<a@one.test>>", b"a@one.test>", b"<a@one.test", b"Ann <a@one.test", b"<a>b@one.test",
        b"a(x)@one.test", b"a@(x)one.test", b"a@one.test(x)two.test", b"a@one.test two.test", b"a @one.test",
        b"a@ one.test", b"a@one. test", b"<a(x)@one.test>", b"<a@one.test(x)>", b"a@one.test (b@two.test)",
        b"(<b@two.test>) a@one.test", b"a@one.test (x", b'"a@one.test', b'"Ann <a@one.test>',
        b"=?utf-8?Q?a=40two.test?=@one.test", b"a@=?utf-8?Q?one.test?=", b"=?utf-8?Q?a?= <=?utf-8?Q?a?=@one.test>",
        b"=?utf-8?Q?b=40two.test_=3Cb=40two.test=3E=00?= <a@one.test>", b"=?utf-8?B?YQBi?= <a@one.test>",
        b"=?utf-8?Q?a=0D=0AFrom:_b?= <a@one.test>", b'"=?utf-8?Q?a=00?=" <a@one.test>',
        b"=?utf-8?Q?=3Cb=40two.?= =?utf-8?Q?test=3E?= <a@one.test>",
        b"a\x00@one.test", b"a@one.test\x00", b"A\x00 <a@one.test>", b"A\x07 <a@one.test>",
        b"a@one.test\xff", b"\xff@one.test", b"a..b@one.test", b".a@one.test", b"a\\@one.test", b"a@one_.test.",
        b"a@-", b"ann@one.test," * 21 + b"ann@one.test",
    ],
)  # fmt: skip
def test_what_is_malformed_or_ambiguous_is_refused(value: bytes) -> None:
    with pytest.raises(AuthorFieldError, match=r"[a-z]"):
        parse_mailboxes(value)


@pytest.mark.parametrize(
    "piece",
    [b"(", b'"', b"<", b"a@", b"a,", b"\\", b"[", b"=?utf-8?Q?a?=", b"( ", b'"a" ', b"(a) ", b"()", b"a "],
)
def test_reading_a_long_field_is_quick(piece: bytes) -> None:
    began = time.process_time()
    with pytest.raises(AuthorFieldError):
        parse_mailboxes(piece * (MAX_OCTETS // len(piece)))
    assert time.process_time() - began < 0.3


def test_a_field_beyond_the_limit_is_not_read_at_all() -> None:
    with pytest.raises(AuthorFieldError, match="longer than 8192 octets"):
        parse_mailboxes(b'"' + b"x" * MAX_OCTETS + b'" <ann@one.test>')
