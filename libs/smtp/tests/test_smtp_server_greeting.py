"""What the server says of itself: banner, EHLO keywords, HELP; what it takes for a name; `with` of Received."""

from dataclasses import replace
from itertools import product

import pytest

from mailyard.smtp.server.greeting import banner, client_name, ehlo_reply, help_reply, with_keyword
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits

MX = Profile(Mode.MX, "mx.example")
SUBMISSION = Profile(Mode.SUBMISSION, "mail.example", starttls=True)
LMTP = Profile(Mode.LMTP, "gateway.example")
ALWAYS = {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "HELP"}


def keywords(lines: list[str]) -> set[str]:
    """The keywords behind the server's name; each line has the form of RFC 5321 section 4.1.1.1."""
    assert all(line.startswith("250-") for line in lines[:-1])
    assert lines[-1].startswith("250 ")
    return {line[4:] for line in lines[1:]}


def test_the_banner_names_the_host_first() -> None:
    assert banner(MX).wire == b"220 mx.example ESMTP ready\r\n"
    assert banner(LMTP).wire == b"220 gateway.example LMTP ready\r\n"


def test_ehlo_offers_what_the_server_can_do(conversation) -> None:
    profile = replace(MX, limits=SmtpLimits(message_size=1234))
    said = conversation(profile).send(b"EHLO c\r\n")
    assert said[0] == "250-mx.example"
    assert keywords(said) == ALWAYS | {"SIZE 1234", "BINARYMIME"}


def test_ehlo_does_not_offer_what_is_switched_off(conversation) -> None:
    said = conversation(replace(MX, binarymime=False)).send(b"EHLO c\r\n")
    assert "BINARYMIME" not in keywords(said)
    assert "CHUNKING" in keywords(said)


def test_helo_offers_nothing(conversation) -> None:
    assert conversation(SUBMISSION, secured=True).send(b"HELO c\r\n") == ["250 mail.example"]


@pytest.mark.parametrize(
    ("profile", "secured", "plaintext_auth", "offered"),
    [
        (MX, False, False, set()),
        (MX, True, True, set()),
        (replace(MX, starttls=True), False, False, {"STARTTLS"}),
        (replace(MX, starttls=True), True, False, set()),
        (SUBMISSION, False, False, {"STARTTLS"}),
        (SUBMISSION, False, True, {"STARTTLS", "AUTH PLAIN LOGIN"}),
        (SUBMISSION, True, False, {"AUTH PLAIN LOGIN"}),
        (replace(SUBMISSION, starttls=False), False, False, set()),
    ],
)
def test_starttls_and_auth_are_offered_where_they_can_be_used(
    conversation, profile: Profile, secured: bool, plaintext_auth: bool, offered: set[str]
) -> None:
    """RFC 3207 section 4.2: no STARTTLS under TLS. RFC 4954 section 4: no PLAIN in clear, unless settings permit it."""
    opened = conversation(profile, secured=secured, plaintext_auth=plaintext_auth)
    said = keywords(opened.send(b"EHLO c\r\n"))
    assert said & {"STARTTLS", "AUTH PLAIN LOGIN"} == offered
    starttls, auth = "STARTTLS" in offered, "AUTH PLAIN LOGIN" in offered
    assert (
        keywords(ehlo_reply(profile, offers_starttls=starttls, offers_auth=auth).wire.decode().splitlines())
        == said
    )


def test_auth_stays_offered_after_the_login_but_a_second_one_is_refused(conversation) -> None:
    """RFC 4954 section 4: after a successful AUTH, a server must refuse any further AUTH with 503."""
    opened = conversation(SUBMISSION, secured=True)
    assert opened.codes(b"EHLO c\r\nAUTH PLAIN AGEAcmlnaHQ=\r\nAUTH PLAIN AGEAcmlnaHQ=\r\n") == [
        250,
        235,
        503,
    ]


def test_what_starttls_offers_changes_with_the_handshake(conversation) -> None:
    opened = conversation(SUBMISSION)
    assert "STARTTLS" in keywords(opened.send(b"EHLO c\r\n"))
    assert opened.codes(b"AUTH PLAIN AGEAcmlnaHQ=\r\n", b"STARTTLS\r\n") == [538, 220]
    opened.session.tls_established()
    assert opened.session.secured
    assert opened.codes(b"MAIL FROM:<a@a.example>\r\n", b"AUTH PLAIN AGEAcmlnaHQ=\r\n") == [503, 503]
    assert "AUTH PLAIN LOGIN" in keywords(opened.send(b"EHLO c\r\n"))
    assert opened.codes(b"STARTTLS\r\n", b"AUTH PLAIN AGEAcmlnaHQ=\r\n") == [503, 235]


@pytest.mark.parametrize("profile", [MX, SUBMISSION, LMTP])
def test_every_command_that_help_names_is_known(conversation, profile: Profile) -> None:
    opened = conversation(profile, plaintext_auth=True)
    opened.send(b"LHLO c\r\n" if profile is LMTP else b"EHLO c\r\n")
    said = opened.send(b"HELP\r\n")
    words = said[0].partition("Commands: ")[2].split()
    assert {"MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY"} <= set(words)
    for word in words:
        fresh = conversation(profile, plaintext_auth=True)
        assert fresh.codes(word.encode() + b"\r\n")[0] not in {500, 502}, word


def test_help_offers_what_ehlo_offers() -> None:
    assert "STARTTLS" in help_reply(SUBMISSION, offers_starttls=True, offers_auth=False).lines[0]
    assert " AUTH " in help_reply(SUBMISSION, offers_starttls=False, offers_auth=True).lines[0]
    assert help_reply(MX, offers_starttls=False, offers_auth=False).lines == (
        "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT",
    )


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("client.example", "client.example"),
        ("client.example and more", "client.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("localhost", "localhost"),
        ("under_score", "under_score"),
        ("bücher.example", "bücher.example"),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_wrong_name_is_no_reason_to_refuse_mail(argument: str, name: str) -> None:
    assert client_name(argument) == name


@pytest.mark.parametrize(
    "argument", ["", " ", "x" * 256, "a(b)", "a)b", "a\\b", 'a"b', "a\x00b", "a\x7fb", "a\x1bb"]
)
def test_a_name_that_could_forge_a_received_field_is_refused(argument: str) -> None:
    assert client_name(argument) is None


def test_the_name_of_the_last_hello_counts(conversation) -> None:
    opened = conversation()
    assert opened.session.client_name == ""
    opened.send(b"EHLO first.example\r\nHELO second.example\r\n")
    assert opened.session.client_name == "second.example"
    assert opened.session.with_keyword == "SMTP"


# RFC 3848 section 1 and RFC 6531 section 4.3: every keyword of the IANA registry of mail transmission types.
REGISTERED = {
    *(f"{prefix}SMTP{suffix}" for prefix, suffix in product(("E", "UTF8"), ("", "S", "A", "SA"))),
    *(f"{prefix}LMTP{suffix}" for prefix, suffix in product(("", "UTF8"), ("", "S", "A", "SA"))),
    "SMTP",
}


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("authenticated", [False, True])
@pytest.mark.parametrize("smtputf8", [False, True])
def test_with_is_a_registered_keyword_of_the_connection(
    mode: Mode, secured: bool, authenticated: bool, smtputf8: bool
) -> None:
    word = with_keyword(mode, esmtp=True, secured=secured, authenticated=authenticated, smtputf8=smtputf8)
    assert word in REGISTERED
    protocol, _, suffix = word.rpartition("MTP")
    assert (protocol.endswith("L")) == (mode is Mode.LMTP)
    assert ("S" in suffix, "A" in suffix, word.startswith("UTF8")) == (secured, authenticated, smtputf8)


def test_with_of_a_client_that_said_helo_is_smtp() -> None:
    assert with_keyword(Mode.MX, esmtp=False, secured=True, authenticated=False, smtputf8=False) == "SMTP"
