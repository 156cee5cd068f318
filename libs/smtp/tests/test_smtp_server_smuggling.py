"""SMTP smuggling: only CRLF "." CRLF ends DATA (RFC 5321 section 4.1.1.4), and nothing that is passed on looks like an end.

Other servers took LF "." LF, CR "." CR and the like for an end, so that one message became two.
"""

import re
from itertools import product

import pytest

from mailyard.smtp.client.encoding import DotStuffer, LineRepairer
from mailyard.smtp.server.events import MailFrom
from mailyard.smtp.server.limits import BareNewline, Mode, NulOctet, Profile

ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n"
SMUGGLED = b"MAIL FROM:<evil@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nforged\r\n"
LINE_ENDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\0\n",
    b"\0\r\n",
    b"\r\n\0",
    b"\x85",
    b"\x0b",
    b"\x0c",
)
# Every line end before and behind the dot, but for the one pair that is an end.
FORMS = [
    before + b"." + behind
    for before, behind in product(LINE_ENDS, LINE_ENDS)
    if before + b"." + behind != b"\r\n.\r\n"
]
FORMS = [form for form in FORMS if b"\r\n.\r\n" not in form]
LENIENT_END = re.compile(rb"(?:\r\n|\r|\n)\0*\.\0*(?:\r\n|\r|\n)")


def profile(newlines: BareNewline, nul: NulOctet = NulOctet.REPLACE) -> Profile:
    return Profile(Mode.MX, "mx", bare_newline=newlines, nul=nul)


@pytest.mark.parametrize("newlines", list(BareNewline))
@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_no_form_but_the_one_of_the_rfc_ends_a_message(
    conversation, form: bytes, newlines: BareNewline
) -> None:
    opened = conversation(profile(newlines))
    assert opened.codes(ENVELOPE + b"DATA\r\n") == [250, 250, 250, 354]
    codes = opened.codes(b"text" + form + SMUGGLED + b"\r\n.\r\n")
    assert codes in ([250], [550])
    assert len(opened.seen(MailFrom)) == 1
    for message in opened.messages:
        assert message.count(b"\r") == message.count(b"\n") == message.count(b"\r\n")
        assert b"\0" not in message
        assert b"forged" in message


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_form_that_comes_octet_by_octet_ends_nothing_either(conversation, form: bytes) -> None:
    opened = conversation(profile(BareNewline.REJECT, NulOctet.REJECT))
    opened.send(ENVELOPE + b"DATA\r\n")
    octets = b"text" + form + SMUGGLED + b"\r\n.\r\n"
    (code,) = opened.codes(*(bytes((octet,)) for octet in octets))
    is_refused = b"\0" in form or re.search(rb"\r(?!\n)|(?<!\r)\n", form)
    assert code == (550 if is_refused else 250)
    assert len(opened.seen(MailFrom)) == 1


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_form_in_a_chunk_is_passed_on_harmless(conversation, form: bytes) -> None:
    opened = conversation(profile(BareNewline.REPAIR))
    octets = b"text" + form + b"more\r\n"
    assert opened.codes(ENVELOPE + b"BDAT %d LAST\r\n%b" % (len(octets), octets)) == [250] * 4
    (message,) = opened.messages
    assert message.count(b"\r") == message.count(b"\n") == message.count(b"\r\n")
    assert b"\0" not in message


@pytest.mark.parametrize("form", [*FORMS, b"\r\n.\r\n"], ids=repr)
def test_what_goes_out_holds_one_end_for_every_kind_of_reader(form: bytes) -> None:
    for step in (1, 2, 1000):
        stuffer, octets = DotStuffer(), b"text" + form + SMUGGLED
        pieces = [stuffer.feed(octets[at : at + step]) for at in range(0, len(octets), step)]
        wire = b"".join([*pieces, stuffer.finish()])
        assert [match.start() for match in LENIENT_END.finditer(wire)] == [len(wire) - 5]


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_a_chunk_that_goes_out_holds_proper_line_ends_only(form: bytes) -> None:
    repairer = LineRepairer()
    wire = repairer.feed(b"text" + form) + repairer.finish()
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    assert b"\0" not in wire


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n"])
@pytest.mark.parametrize("command", [b"NOOP", b"MAIL FROM:<x@x.example>", b"RSET"])
def test_a_command_with_a_bare_newline_is_refused_and_not_carried_out(
    conversation, command: bytes, end: bytes
) -> None:
    opened = conversation(profile(BareNewline.REJECT))
    opened.send(b"EHLO c\r\n")
    codes = opened.codes(command + end, b"NOOP\r\n")
    assert codes[0] == 500
    assert not opened.seen(MailFrom)


def test_a_cr_within_a_command_does_not_begin_another_one(conversation) -> None:
    for newlines in BareNewline:
        opened = conversation(profile(newlines))
        opened.send(b"EHLO c\r\n")
        assert opened.codes(b"NOOP\rMAIL FROM:<x@x.example>\r\n") == [500]
        assert not opened.seen(MailFrom)


def test_commands_before_the_handshake_are_forgotten(conversation) -> None:
    """CVE-2011-0411: what an attacker injects in clear behind STARTTLS must not run under TLS."""
    opened = conversation(Profile(Mode.MX, "mx", starttls=True))
    opened.send(b"EHLO evil.example\r\nSTARTTLS\r\nMAIL FROM:<evil@a.example>\r\n")
    opened.session.receive(b"RCPT TO:<b@b.example>\r\n")
    opened.session.tls_established()
    assert opened.codes(b"NOOP\r\n") == [250]
    assert opened.session.client_name == ""
    assert opened.codes(b"MAIL FROM:<a@a.example>\r\n") == [503]
    assert not opened.seen(MailFrom)
