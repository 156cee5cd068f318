"""Paths, ESMTP parameters, xtext: RFC 5321 section 4.1.2, RFC 3461, RFC 6531, RFC 6533."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.parameters import (
    BodyType,
    MailParameters,
    ParameterError,
    RcptParameters,
    UnknownParameterError,
    parse_mail_parameters,
    parse_rcpt_parameters,
)
from mailyard.smtp.path import MAX_PATH, NULL_PATH, Path, PathError, parse_forward_path, parse_reverse_path
from mailyard.smtp.xtext import XtextError, decode_xtext, encode_xtext, is_xtext


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a@b>", Path("a", "b")),
        ("<John.Doe+x@Example.COM>", Path("John.Doe+x", "Example.COM")),
        ("<@a.example,@b.example:c@d.example>", Path("c", "d.example")),
        ('<"a b\\"c"@d.example>', Path('"a b\\"c"', "d.example")),
        ("<a@[192.0.2.1]>", Path("a", "[192.0.2.1]")),
        ("<a@[IPv6:2001:db8::1]>", Path("a", "[IPv6:2001:db8::1]")),
        ("<jörg@bücher.example>", Path("jörg", "bücher.example")),
        ("<a@under_score.example>", Path("a", "under_score.example")),
    ],
)
def test_paths_are_read(text: str, expected: Path) -> None:
    assert parse_forward_path(text) == expected
    assert parse_reverse_path(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "<", "a@b", "<a@b", "<a>", "<@b>", "<a@>", "<a@b.>", "<a@.b>", "<.a@b>", "<a.@b>", "<a..b@c>", "<a@-b>",
     "<a@b c>", "<a b@c>", "<a\t@c>", "<a@b>x", "<a@b\x00>", "<a@b\n>", '<"a@b>', "<a@[]>", "<a@[192.0.2.1>",
     "<:a@b>", "<@x:>", "<<a@b>>", f"<{'a' * MAX_PATH}@b>", f"<a@{'b' * 300}>"],
)  # fmt: skip
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_forward_path(text)
    with pytest.raises(PathError):
        parse_reverse_path(text)


def test_the_null_path_is_for_senders_only() -> None:
    assert parse_reverse_path("<>") is NULL_PATH
    assert NULL_PATH.is_null
    with pytest.raises(PathError):
        parse_forward_path("<>")


def test_postmaster_without_a_domain_is_for_recipients_only() -> None:
    assert parse_forward_path("<PostMaster>") == Path("PostMaster", "")
    with pytest.raises(PathError):
        parse_reverse_path("<postmaster>")


def test_a_path_says_whether_it_needs_smtputf8() -> None:
    assert parse_forward_path("<a@b>").is_ascii
    assert not parse_forward_path("<ä@b>").is_ascii
    assert not parse_forward_path("<a@ä>").is_ascii


@given(st.text(max_size=100))
def test_no_text_makes_the_path_reader_fail_otherwise(text: str) -> None:
    try:
        path = parse_forward_path(f"<{text}>")
    except PathError:
        return
    assert path.local


def test_mail_parameters_are_read_in_any_case_and_order() -> None:
    text = "body=8bitmime SIZE=1000 SMTPUTF8 ENVID=a+2Bb RET=full AUTH=<>"
    expected = MailParameters(1000, BodyType.EIGHT_BIT, True, "FULL", "a+2Bb", "<>")
    assert parse_mail_parameters(text) == expected


def test_rcpt_parameters_are_kept_as_received() -> None:
    parsed = parse_rcpt_parameters("NOTIFY=failure,DELAY ORCPT=RFC822;Bob@b.example")
    assert parsed == RcptParameters("FAILURE,DELAY", "RFC822;Bob@b.example")


def test_orcpt_of_type_utf_8_may_hold_utf_8_and_escapes() -> None:
    assert parse_rcpt_parameters("ORCPT=utf-8;jörg\\x{2B}x@b.example").orcpt.startswith("utf-8;")


@pytest.mark.parametrize(
    "text",
    ["SIZE", "SIZE=", "SIZE=-1", "SIZE=1e3", f"SIZE={'1' * 21}", "BODY", "BODY=x", "SMTPUTF8=1",
     "ENVID=a+00", "ENVID=a+0A", "SIZE=1 SIZE=1", "=1", "A B=\x7f", "SIZE=1=1", "ENVID=a\x7f"],
)  # fmt: skip
def test_wrong_mail_parameters_are_refused(text: str) -> None:
    with pytest.raises((ParameterError, UnknownParameterError)):
        parse_mail_parameters(text)


@pytest.mark.parametrize(
    "text",
    ["NOTIFY", "NOTIFY=NEVER,SUCCESS", "NOTIFY=,", "NOTIFY=x", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;a+0D+0Ab",
     "ORCPT=x;+00", "ORCPT=utf-8;a\\x{0A}b", "ORCPT=utf-8;a+0Ab", "ORCPT=rfc822;a+C2+85", "ORCPT=rfc822;a+7F",
     "ORCPT=rfc822;+FF+0A", "ORCPT=a ORCPT=b", "ORCPT=rfc822;a\x85"],
)  # fmt: skip
def test_wrong_rcpt_parameters_are_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        parse_rcpt_parameters(text)


@pytest.mark.parametrize(
    "text",
    [
        "RET",
        "RET=x",
        "ENVID=",
        "ENVID",
        f"ENVID={'a' * 101}",
        "ENVID=a+2b",
        "ENVID=a=b",
        "ENVID=jörg",
        "ENVID=a+C3+B6",
    ],
)
def test_a_malformed_parameter_that_only_serves_reports_is_dropped(text: str) -> None:
    assert parse_mail_parameters(text) == MailParameters()


@pytest.mark.parametrize(
    "text",
    ["ORCPT", "ORCPT=", "ORCPT=x", "ORCPT=;a", "ORCPT=rfc822;", "ORCPT=rfc822;jörg", "ORCPT=rfc822;a+b",
     "ORCPT=rfc822;a+FF", "ORCPT=rfc822;a=b", f"ORCPT=rfc822;{'a' * 500}", f"ORCPT=rfc822;{'+C3+B6' * 90}",
     "ORCPT=utf-8;a\\x{zz}", "ORCPT=r_f;a"],
)  # fmt: skip
def test_an_orcpt_never_costs_a_recipient(text: str) -> None:
    assert parse_rcpt_parameters(text) == RcptParameters()


def test_an_orcpt_with_utf_8_in_xtext_becomes_the_type_utf_8() -> None:
    said = "ORCPT=rfc822;h+E1+BB+99p-th+C6+B0@v+C3+AD-d+E1+BB+A5.vn"
    assert parse_rcpt_parameters(said).orcpt == "utf-8;h\\x{1ED9}p-th\\x{1B0}@v\\x{ED}-d\\x{1EE5}.vn"


def test_words_of_notify_that_are_repeated_count_once_and_a_malformed_auth_is_for_nobody() -> None:
    assert parse_rcpt_parameters("NOTIFY=SUCCESS,success,DELAY").notify == "SUCCESS,DELAY"
    assert parse_mail_parameters("AUTH=a=b").auth == "<>"
    assert parse_mail_parameters("AUTH=a@b.example").auth == "a@b.example"


def test_a_parameter_that_was_not_offered_is_told_apart() -> None:
    with pytest.raises(UnknownParameterError, match="MT-PRIORITY"):
        parse_mail_parameters("mt-priority=3")


@given(st.binary(max_size=100))
def test_xtext_carries_any_octets(octets: bytes) -> None:
    text = encode_xtext(octets)
    assert is_xtext(text)
    assert decode_xtext(text) == octets


@pytest.mark.parametrize("text", ["a b", "a=b", "a+", "a+2", "a+2b", "a+GG", "ä", "a\n"])
def test_what_is_no_xtext_is_refused(text: str) -> None:
    assert not is_xtext(text)
    with pytest.raises(XtextError):
        decode_xtext(text)
