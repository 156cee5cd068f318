"""The commands of an envelope for what a server offers, and the messages that cannot go to it."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.client import EightBit, EnvelopeRecipient, LoginCredentials, TransactionEnvelope
from mailyard.smtp.client.authentication import exchange_lines
from mailyard.smtp.client.envelope import mail_command, rcpt_command, unsuited
from mailyard.smtp.client.extensions import Extensions, parse_extensions
from mailyard.smtp.parameters import BodyType, parse_mail_parameters, parse_rcpt_parameters
from mailyard.smtp.reply import reply

NOTHING = Extensions()
EVERYTHING = Extensions(True, True, 0, True, True, True, True, True)
BOB = EnvelopeRecipient("bob@b.example")
PLAIN = TransactionEnvelope("alice@a.example", (BOB,))
FULL = TransactionEnvelope(
    "alice@a.example",
    (EnvelopeRecipient("bob@b.example", "SUCCESS,FAILURE", "rfc822;bob@b.example"),),
    size=1000,
    body=BodyType.EIGHT_BIT,
    smtputf8=True,
    ret="HDRS",
    envid="QQ314159",
)


@pytest.mark.parametrize(
    ("envelope", "offered", "command"),
    [
        (PLAIN, NOTHING, b"MAIL FROM:<alice@a.example>\r\n"),
        (PLAIN, EVERYTHING, b"MAIL FROM:<alice@a.example>\r\n"),
        (replace(PLAIN, sender=""), EVERYTHING, b"MAIL FROM:<>\r\n"),
        (FULL, EVERYTHING, b"MAIL FROM:<alice@a.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159\r\n"),
        (replace(FULL, smtputf8=False), NOTHING, b"MAIL FROM:<alice@a.example>\r\n"),
        (replace(PLAIN, size=0), EVERYTHING, b"MAIL FROM:<alice@a.example>\r\n"),
        (replace(PLAIN, size=5), Extensions(size=True, size_limit=10), b"MAIL FROM:<alice@a.example> SIZE=5\r\n"),
        (replace(PLAIN, sender="jörg@a.example"), EVERYTHING, "MAIL FROM:<jörg@a.example> SMTPUTF8\r\n".encode()),
        (replace(PLAIN, recipients=(EnvelopeRecipient("ö@b.example"),)), EVERYTHING, b"MAIL FROM:<alice@a.example> SMTPUTF8\r\n"),
        (replace(PLAIN, body=BodyType.BINARY), EVERYTHING, b"MAIL FROM:<alice@a.example> BODY=BINARYMIME\r\n"),
    ],
)  # fmt: skip
def test_mail_has_the_parameters_that_the_server_offers(
    envelope: TransactionEnvelope, offered: Extensions, command: bytes
) -> None:
    assert mail_command(envelope, offered) == command


@pytest.mark.parametrize(
    ("recipient", "offered", "command"),
    [
        (BOB, EVERYTHING, b"RCPT TO:<bob@b.example>\r\n"),
        (FULL.recipients[0], NOTHING, b"RCPT TO:<bob@b.example>\r\n"),
        (FULL.recipients[0], EVERYTHING, b"RCPT TO:<bob@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@b.example\r\n"),
        (EnvelopeRecipient("bob@b.example", "NEVER"), EVERYTHING, b"RCPT TO:<bob@b.example> NOTIFY=NEVER\r\n"),
    ],
)  # fmt: skip
def test_rcpt_has_dsn_parameters_where_dsn_is_offered(
    recipient: EnvelopeRecipient, offered: Extensions, command: bytes
) -> None:
    assert rcpt_command(recipient, offered) == command


def parameters_of(command: bytes) -> str:
    return command.decode().removesuffix("\r\n").partition("> ")[2]


@given(
    size=st.integers(0, 10**12),
    body=st.sampled_from(BodyType),
    smtputf8=st.booleans(),
    ret=st.sampled_from(["", "FULL", "HDRS"]),
    envid=st.sampled_from(["", "Q+3D1"]),
    notify=st.sampled_from(["", "NEVER", "SUCCESS,DELAY"]),
)
def test_the_server_core_reads_what_the_client_core_writes(
    *, size: int, body: BodyType, smtputf8: bool, ret: str, envid: str, notify: str
) -> None:
    recipient = EnvelopeRecipient("bob@b.example", notify, "rfc822;bob@b.example")
    envelope = TransactionEnvelope("a@a.example", (recipient,), size, body, smtputf8, ret, envid)
    mail = parse_mail_parameters(parameters_of(mail_command(envelope, EVERYTHING)))
    assert (mail.size, mail.body, mail.smtputf8, mail.ret, mail.envid) == (size, body, smtputf8, ret, envid)
    rcpt = parse_rcpt_parameters(parameters_of(rcpt_command(recipient, EVERYTHING)))
    assert (rcpt.notify, rcpt.orcpt) == (notify, "rfc822;bob@b.example")


@pytest.mark.parametrize(
    ("envelope", "offered", "code", "enhanced"),
    [
        (replace(PLAIN, size=11), Extensions(size=True, size_limit=10), 552, "5.3.4"),
        (replace(PLAIN, sender="ö@a.example"), NOTHING, 553, "5.6.7"),
        (replace(PLAIN, recipients=(BOB, EnvelopeRecipient("ö@b.example"))), NOTHING, 553, "5.6.7"),
        (replace(PLAIN, smtputf8=True), NOTHING, 554, "5.6.9"),
        (replace(PLAIN, body=BodyType.BINARY), Extensions(chunking=True), 554, "5.6.3"),
        (replace(PLAIN, body=BodyType.BINARY), Extensions(binary_mime=True), 554, "5.6.3"),
    ],
)
def test_a_message_that_a_server_cannot_take_is_refused_in_its_place(
    envelope: TransactionEnvelope, offered: Extensions, code: int, enhanced: str
) -> None:
    for eight_bit in EightBit:
        refusal = unsuited(envelope, offered, eight_bit)
        assert refusal is not None
        assert (refusal.code, refusal.enhanced) == (code, enhanced)


@pytest.mark.parametrize(
    ("envelope", "offered"),
    [
        (replace(PLAIN, size=10), Extensions(size=True, size_limit=10)),
        (replace(PLAIN, size=10**15), Extensions(size=True)),
        (replace(PLAIN, size=10**15), NOTHING),
        (replace(PLAIN, sender="ö@a.example", smtputf8=True), Extensions(smtp_utf8=True)),
        (replace(PLAIN, body=BodyType.BINARY), Extensions(chunking=True, binary_mime=True)),
        (replace(PLAIN, body=BodyType.EIGHT_BIT), Extensions(eight_bit_mime=True)),
    ],
)
def test_a_message_that_a_server_can_take_is_not_refused(
    envelope: TransactionEnvelope, offered: Extensions
) -> None:
    assert all(unsuited(envelope, offered, eight_bit) is None for eight_bit in EightBit)


def test_8_bit_text_goes_to_a_server_without_8bitmime_only_where_the_setting_says_so() -> None:
    envelope = replace(PLAIN, body=BodyType.EIGHT_BIT)
    assert unsuited(envelope, NOTHING, EightBit.SEND) is None
    refusal = unsuited(envelope, NOTHING, EightBit.FAIL)
    assert refusal is not None
    assert refusal.enhanced == "5.6.3"


@pytest.mark.parametrize(
    ("keyword", "field"),
    [
        ("PIPELINING", "pipelining"),
        ("8BITMIME", "eight_bit_mime"),
        ("SMTPUTF8", "smtp_utf8"),
        ("DSN", "dsn"),
        ("CHUNKING", "chunking"),
        ("BINARYMIME", "binary_mime"),
        ("STARTTLS", "start_tls"),
        ("SIZE", "size"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{} with words", "  {}  "])
def test_a_keyword_is_read_in_any_case(keyword: str, field: str, form: str) -> None:
    for word in (keyword, keyword.lower(), keyword.capitalize()):
        offered = parse_extensions(reply(250, None, "mx.example", form.format(word)))
        assert getattr(offered, field) is True
        others = replace(offered, **{field: False})
        assert others == replace(NOTHING, size_limit=offered.size_limit)


def test_the_first_line_is_the_name_of_the_server_and_no_keyword() -> None:
    assert parse_extensions(reply(250, None, "PIPELINING")) == NOTHING


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("", 0),
        ("0", 0),
        ("1000", 1000),
        ("9" * 20, 10**20 - 1),
        ("9" * 21, 0),
        ("-5", 0),
        ("1e3", 0),
        ("١٢", 0),
        ("10 20", 10),
    ],
)
def test_a_size_limit_that_is_no_number_is_none(words: str, limit: int) -> None:
    """RFC 1870 section 4: zero says that there is no fixed maximum."""
    assert parse_extensions(reply(250, None, "mx", f"SIZE {words}")).size_limit == limit


def test_mechanisms_of_several_lines_are_offered_together() -> None:
    offered = parse_extensions(
        reply(250, None, "mx", "AUTH LOGIN", "AUTH=PLAIN", "AUTH", "auth scram-sha-256")
    )
    assert offered.auth == {"LOGIN", "PLAIN", "SCRAM-SHA-256"}


CREDENTIALS = LoginCredentials("tim", "tanstaaftanstaaf")


def test_plain_is_the_example_of_rfc_4616() -> None:
    """RFC 4616 section 4 has the message, and RFC 4954 section 4 the initial response."""
    assert exchange_lines(frozenset({"PLAIN"}), CREDENTIALS) == [
        b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"
    ]


def test_login_sends_name_and_password_one_after_the_other() -> None:
    lines = exchange_lines(frozenset({"LOGIN", "CRAM-MD5"}), CREDENTIALS)
    assert lines == [b"AUTH LOGIN\r\n", b"dGlt\r\n", b"dGFuc3RhYWZ0YW5zdGFhZg==\r\n"]


def test_plain_goes_before_login_and_others_are_not_spoken() -> None:
    assert exchange_lines(frozenset({"LOGIN", "PLAIN"}), CREDENTIALS)[0].startswith(b"AUTH PLAIN ")
    assert exchange_lines(frozenset({"GSSAPI"}), CREDENTIALS) == []
    assert exchange_lines(frozenset(), CREDENTIALS) == []


@pytest.mark.parametrize(("username", "password"), [("a\0b", "c"), ("a", "b\0c")])
def test_credentials_cannot_hold_nul(username: str, password: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        LoginCredentials(username, password)


def test_a_password_is_in_no_representation() -> None:
    assert "tanstaaf" not in repr(CREDENTIALS)


@pytest.mark.parametrize("control", [*map(chr, range(0x20)), "\x7f"])
def test_no_control_character_goes_out_in_a_command(control: str) -> None:
    for address, value in product((f"a{control}@b.example", "a@b.example"), ("", f"x{control}y")):
        if control in address + value:
            with pytest.raises(ValueError, match=r"in address|in parameter"):
                EnvelopeRecipient(address, orcpt=value)
