"""Limits of one connection: the last command that is allowed, the first that is not, and what forgives errors."""

import pytest

from mailyard.smtp.reply import reply
from mailyard.smtp.server.events import Closing, InputRefused, MailFrom
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits, Tally
from mailyard.smtp.server.session import Session

ENVELOPE = b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n"
MESSAGE = ENVELOPE + b"BDAT 2 LAST\r\nhi"


def mx(**limits: int) -> Profile:
    return Profile(Mode.MX, "mx", SmtpLimits(**limits))


@pytest.mark.parametrize(
    ("limit", "command", "code"),
    [
        ("commands", b"NOOP\r\n", 250),
        ("idle_commands", b"NOOP\r\n", 250),
        ("idle_commands", b"RSET\r\n", 250),
        ("idle_commands", b"VRFY a\r\n", 252),
        ("idle_commands", b"HELP\r\n", 214),
        ("idle_commands", b"EHLO c\r\n", 250),
        ("errors", b"WHAT\r\n", 500),
        ("errors", b"EXPN a\r\n", 502),
        ("errors", b"QUIT now\r\n", 501),
        ("errors", b"MAIL FROM:<a@a.example>\r\n", 503),
        ("errors", b"NO\nOP\r\n", 500),
        ("errors", b"\xff\r\n", 500),
        ("errors", b"x" * 600 + b"\r\n", 500),
        ("errors", b"BDAT 3\r\nabc", 503),
        ("errors", ENVELOPE + b"BDAT 3 LAST\r\na\nb", 550),
        ("errors", ENVELOPE + b"DATA\r\na\nb\r\n.\r\n", 550),
    ],
)
def test_a_limit_allows_so_many_commands_and_the_next_one_is_the_last(
    conversation, limit: str, command: bytes, code: int
) -> None:
    opened = conversation(mx(command_line=512, **{limit: 3}))
    if command.startswith(ENVELOPE):
        opened.send(b"EHLO c\r\n")
    # a bare LF makes two lines, and each of them is an error
    allowed = 3 if command != b"NO\nOP\r\n" else 1
    for _ in range(allowed):
        assert opened.codes(command)[-1] == code
        assert not opened.seen(Closing)
    assert opened.codes(command)[-1] == 421
    assert opened.events[-1] == Closing()
    assert opened.codes(b"NOOP\r\n") == []


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("commands", "Too many commands on one connection; please connect again"),
        ("errors", "Too many errors, closing connection"),
        ("idle_commands", "Too many commands without mail, closing connection"),
        ("refused_recipients", "Too many refused recipients, closing connection"),
    ],
)
def test_the_last_reply_names_the_limit(limit: str, text: str) -> None:
    tally = Tally(SmtpLimits(**{limit: 1}))
    setattr(tally, limit, 1)
    assert tally.exhausted() is None
    setattr(tally, limit, 2)
    assert tally.exhausted() == reply(421, "4.7.0", text)


def test_an_accepted_message_forgives_all_but_the_number_of_commands() -> None:
    tally = Tally(SmtpLimits(), commands=7, idle_commands=5, errors=4, refused_recipients=3)
    tally.accepted()
    assert (tally.commands, tally.idle_commands, tally.errors, tally.refused_recipients) == (7, 0, 0, 0)


def test_a_client_that_sends_mail_may_make_errors_again_and_again(conversation) -> None:
    opened = conversation(mx(errors=2))
    opened.send(b"EHLO c\r\n")
    for _ in range(10):
        assert opened.codes(b"WHAT\r\nWHAT\r\n" + MESSAGE) == [500, 500, 250, 250, 250]
    assert opened.codes(b"WHAT\r\nWHAT\r\nWHAT\r\n") == [500, 500, 500, 421]


def test_a_message_that_is_refused_forgives_nothing() -> None:
    session = Session(mx(errors=1))
    session.receive(b"EHLO c\r\nWHAT\r\n" + MESSAGE + b"WHAT\r\n")
    while (event := session.next_event()) is not None:
        if session.is_asking:
            session.answer(
                reply(250 if isinstance(event, MailFrom) or not session.recipients else 554, None, "x")
            )
    assert b"421 4.7.0 Too many errors" in session.take_output()


def test_refused_recipients_are_counted_apart_from_errors(conversation) -> None:
    opened = conversation(mx(errors=1, refused_recipients=3))
    opened.send(b"EHLO c\r\nMAIL FROM:<a@a.example>\r\n")
    assert opened.codes(b"RCPT TO:<unknown@b.example>\r\n" * 3) == [550] * 3
    assert opened.codes(b"RCPT TO:<b@b.example>\r\n") == [250]
    assert opened.codes(b"RCPT TO:<unknown@b.example>\r\n") == [550, 421]
    assert opened.session.is_outside_transaction is False


def test_failed_logins_are_errors(conversation) -> None:
    profile = Profile(Mode.SUBMISSION, "mx", SmtpLimits(errors=2))
    opened = conversation(profile, secured=True)
    wrong = b"AUTH PLAIN AGEAd3Jvbmc=\r\n"
    assert opened.codes(b"EHLO c\r\n", wrong, wrong) == [250, 535, 535]
    assert opened.codes(wrong, b"NOOP\r\n") == [535, 421]
    assert not opened.session.authenticated


@pytest.mark.parametrize("response", [b"*", b"not base64", b"AGE=", b"AGFhYQ==", b"x" * 5000])
def test_an_exchange_that_fails_is_an_error_and_commands_go_on(conversation, response: bytes) -> None:
    opened = conversation(Profile(Mode.SUBMISSION, "mx", SmtpLimits(errors=2)), secured=True)
    opened.send(b"EHLO c\r\n")
    attempt = (b"AUTH PLAIN\r\n", response + b"\r\n")
    codes = opened.codes(*attempt, b"NOOP\r\n")
    assert codes == [334, 500 if len(response) > 4096 else 501, 250]
    assert opened.codes(*attempt, *attempt)[-1] == 421


def test_a_refusal_of_policy_that_is_temporary_is_no_error() -> None:
    session = Session(mx(errors=0))
    session.receive(b"EHLO c\r\n" + ENVELOPE)
    assert isinstance(session.next_event(), MailFrom)
    session.answer(reply(451, "4.7.1", "Later"))
    events = [session.next_event(), session.next_event()]
    assert isinstance(events[0], InputRefused), "RCPT without MAIL"
    assert session.take_output().endswith(
        b"451 4.7.1 Later\r\n503 5.5.1 Need MAIL first\r\n421 4.7.0 Too many errors, closing connection\r\n"
    )


def test_a_caller_ends_a_session_with_a_reply_of_its_own(conversation) -> None:
    opened = conversation()
    opened.send(b"EHLO c\r\n" + ENVELOPE)
    opened.session.receive(b"DATA\r\nhalf a line")
    opened.session.close(reply(421, "4.3.2", "Shutting down"))
    assert opened.session.next_event() == InputRefused("", reply(421, "4.3.2", "Shutting down"))
    assert opened.session.next_event() == Closing()
    assert opened.session.take_output() == b"421 4.3.2 Shutting down\r\n"
    assert opened.session.waiting_octets == 0


def test_a_session_that_is_closed_takes_no_more_octets(conversation) -> None:
    opened = conversation()
    opened.send(b"QUIT\r\n")
    opened.session.receive(b"x" * 100_000)
    assert opened.session.waiting_octets == 0
    assert not opened.session.is_full


@pytest.mark.parametrize(
    "method",
    [b"GET / HTTP/1.1", b"POST /x", b"put a", b"CONNECT mx:25", b"PRI * HTTP/2.0", b"HEAD /", b"OPTIONS *"],
)
def test_a_web_client_is_disconnected_at_its_first_line(conversation, method: bytes) -> None:
    """Its body may hold SMTP commands that somebody else wrote."""
    opened = conversation()
    assert opened.codes(method + b"\r\nHost: mx\r\n\r\nEHLO c\r\n" + MESSAGE) == [421]
    assert not opened.seen(MailFrom)


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_a_message_may_be_declared_as_big_as_the_limit(conversation, limit: int) -> None:
    opened = conversation(mx(message_size=limit))
    opened.send(b"EHLO c\r\n")
    assert opened.codes(b"MAIL FROM:<a@a.example> SIZE=%d\r\n" % (limit + 1)) == [552]
    assert opened.codes(b"MAIL FROM:<a@a.example> SIZE=%d\r\n" % limit) == [250]


def test_a_declared_size_that_is_too_small_does_not_help(conversation) -> None:
    """RFC 1870 section 6.3: the octets that come count."""
    opened = conversation(mx(message_size=5))
    opened.send(b"EHLO c\r\nMAIL FROM:<a@a.example> SIZE=1\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
    assert opened.codes(b"123456\r\n.\r\n") == [552]
    assert opened.messages == []
