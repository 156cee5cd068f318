"""The session as a machine: any split of the input means the same, and limits hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import (
    BodyData,
    Closing,
    Event,
    InputRefused,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
    TlsRequested,
)
from mailyard.smtp.server.limits import BareNewline, EarlyData, Mode, Profile, SmtpLimits
from mailyard.smtp.server.session import Session

OK = reply(250, "2.0.0", "Ok")
WELCOME = reply(235, "2.7.0", "Welcome")

# Whole commands, halves of commands, message text and noise, in any order.
FRAGMENTS = st.sampled_from([
    b"EHLO client\r\n", b"HELO c\r\n", b"LHLO c\r\n", b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<a@b.example> BODY=BINARYMIME SIZE=10\r\n", b"RCPT TO:<c@d.example>\r\n",
    b"RCPT TO:<e@f.example> NOTIFY=NEVER\r\n", b"DATA\r\n", b"text\r\n", b"..\r\n", b".\r\n", b"\r\n.\r\n",
    b"BDAT 3\r\n", b"BDAT 5 LAST\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n", b"abc", b"hello", b"RSET\r\n", b"NOOP\r\n",
    b"STARTTLS\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"AGEAYg==\r\n", b"*\r\n",
    b"QUIT\r\n", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"GET / HTTP/1.0\r\n", b"x" * 600 + b"\r\n", b"VRFY a\r\n",
])  # fmt: skip
MODES = st.sampled_from(list(Mode))


def answer_to(event: Event) -> Reply | None:
    match event:
        case MailFrom() | RcptTo() | MessageEnd():
            return OK
        case PasswordCredentials():
            return WELCOME
        case _:
            return None


def run(session: Session, chunks: list[bytes]) -> tuple[list[Event], bytes]:
    """Feed chunks; return the events, neighbouring body octets joined, and all that was said.

    How many octets of a message were reported before it was aborted depends on the chunks: they are left out.
    """
    events: list[Event] = []
    said = b""
    for chunk in chunks:
        session.receive(chunk)
        while (event := session.next_event()) is not None:
            if isinstance(event, BodyData) and events and isinstance(events[-1], BodyData):
                events[-1] = BodyData(events[-1].data + event.data)
            else:
                if isinstance(event, MessageAborted):
                    begin = max(
                        (at for at, each in enumerate(events) if isinstance(each, MailFrom)), default=0
                    )
                    events[begin:] = [each for each in events[begin:] if not isinstance(each, BodyData)]
                events.append(event)
            if (answer := answer_to(event)) is not None:
                session.answer(answer)
        said += session.take_output()
    return events, said


def session_for(mode: Mode, bare_newline: BareNewline = BareNewline.REJECT) -> Session:
    limits = SmtpLimits(command_line=512, message_size=40, errors=6)
    return Session(Profile(mode, "mx", limits, True, bare_newline), plaintext_auth=True)


@settings(max_examples=300)
@given(MODES, st.sampled_from(list(BareNewline)), st.lists(FRAGMENTS, max_size=25), st.data())
def test_any_split_of_the_input_gives_the_same_events_and_replies(
    mode: Mode, bare_newline: BareNewline, fragments: list[bytes], data: st.DataObject
) -> None:
    octets = b"".join(fragments)
    borders = data.draw(st.lists(st.integers(0, len(octets)), max_size=20).map(sorted))
    chunks = [octets[a:b] for a, b in zip([0, *borders], [*borders, len(octets)], strict=True)]
    assert run(session_for(mode, bare_newline), chunks) == run(session_for(mode, bare_newline), [octets])


@given(MODES, st.lists(st.binary(max_size=50), max_size=20))
def test_no_octets_make_the_session_fail(mode: Mode, chunks: list[bytes]) -> None:
    run(session_for(mode), chunks)


def test_everything_pipelined_is_answered_in_one_piece() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    session.take_output()
    group = b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    _, said = run(session, [group])
    assert said.endswith(b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")


def test_nothing_happens_while_an_answer_is_awaited() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    session.receive(b"HELO c\r\nMAIL FROM:<a@b.example>\r\nNOOP\r\n")
    assert isinstance(session.next_event(), MailFrom)
    assert session.next_event() is None
    assert session.is_asking
    session.take_output()
    session.answer(OK)
    assert session.next_event() is None
    assert session.take_output() == b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"


def test_input_that_waits_is_bounded() -> None:
    session = Session(Profile(Mode.MX, "mx", SmtpLimits(pipelined=100)))
    session.receive(b"HELO c\r\nMAIL FROM:<a@b.example>\r\n")
    session.next_event()
    session.receive(b"NOOP\r\n" * 16)
    assert not session.is_full
    session.receive(b"NOOP\r\n")
    assert session.is_full
    session.answer(OK)
    assert session.next_event() is None
    assert not session.is_full


def test_a_command_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    session = Session(Profile(Mode.MX, "mx", SmtpLimits(command_line=512)))
    session.take_output()
    longest = b"NOOP " + b"x" * 505 + b"\r\n"
    assert run(session, [longest])[1] == b"250 2.0.0 Ok\r\n"
    assert (
        run(session, [b"NOOP  " + longest[5:] + longest])[1] == b"500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n"
    )
    assert (
        run(session, [b"x" * 5000, b"y" * 5000, b"\r\nNOOP\r\n"])[1]
        == b"500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n"
    )


def test_recipients_beyond_the_limit_get_452_and_the_others_are_served() -> None:
    session = Session(Profile(Mode.MX, "mx", SmtpLimits(recipients=100)))
    run(session, [b"HELO c\r\nMAIL FROM:<a@b.example>\r\n"])
    events, said = run(session, [b"RCPT TO:<c@d.example>\r\n" * 130])
    assert said.count(b"250 2.0.0 Ok\r\n") == 100
    assert said.count(b"452 4.5.3 Too many recipients\r\n") == 30
    assert not any(isinstance(event, Closing) for event in events), (
        "a full envelope is not the client's error"
    )
    assert len(session.recipients) == 100
    events, said = run(session, [b"DATA\r\n.\r\n"])
    assert said.endswith(b"250 2.0.0 Ok\r\n")


def test_limits_below_what_the_rfc_demands_cannot_be_set() -> None:
    with pytest.raises(ValueError, match=r"4\.5\.3\.1\.4"):
        Profile(Mode.MX, "mx", SmtpLimits(command_line=511))
    with pytest.raises(ValueError, match=r"4\.5\.3\.1\.8"):
        Profile(Mode.MX, "mx", SmtpLimits(recipients=99))


def test_what_the_session_refuses_is_told_with_its_command() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    events, _ = run(session, [b"MAIL FROM:<a@b.example>\r\n"])
    assert [(event.verb, event.reply.code) for event in events if isinstance(event, InputRefused)] == [
        ("MAIL", 503)
    ]


def test_a_message_in_front_of_its_354_ends_the_connection_where_it_is_refused() -> None:
    """What follows must not be read as commands: it may be text that somebody else wrote."""
    opening = b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    session = Session(Profile(Mode.MX, "mx", early_data=EarlyData.REJECT))
    events, said = run(session, [opening + b"RSET\r\nMAIL FROM:<x@y.example>\r\n.\r\n"])
    assert said.endswith(b"554 5.5.0 The message came before 354; closing connection\r\n")
    assert events[-1] == Closing(is_unread=True)
    assert sum(isinstance(event, MailFrom) for event in events) == 1
    patient = Session(Profile(Mode.MX, "mx", early_data=EarlyData.REJECT))
    assert run(patient, [opening, b"x\r\n.\r\n"])[1].endswith(b"250 2.0.0 Ok\r\n")
    accepting = Session(Profile(Mode.MX, "mx"))
    assert run(accepting, [opening + b"x\r\n.\r\n"])[1].endswith(b"250 2.0.0 Ok\r\n")


def test_a_message_that_never_ends_is_refused_and_the_connection_closed() -> None:
    session = Session(Profile(Mode.MX, "mx", SmtpLimits(message_size=20_000)))
    run(session, [b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"])
    line, seen = b"x" * 998 + b"\r\n", 0
    while seen < 200_000:
        events, said = run(session, [line])
        seen += len(line)
        if Closing(is_unread=True) in events:
            break
    assert said == b"552 5.3.4 Message size exceeds the limit\r\n"
    assert seen <= 2 * 20_000 + 65_536 + 2 * len(line)
    assert run(session, [line]) == ([], b"")


def test_octets_of_a_big_message_are_handed_on_as_they_come() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    run(session, [b"HELO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"])
    for _ in range(10):
        events, _ = run(session, [b"x" * 1000 + b"\r\n"])
        assert [type(event) for event in events] == [BodyData]
        assert len(session._input) == 0
    events, _ = run(session, [b".\r\n"])
    assert events == [MessageEnd(10_020)]


def test_a_session_is_idle_between_messages_only() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    assert session.is_idle
    run(session, [b"HELO c\r\n"])
    assert session.is_idle
    run(session, [b"MAIL FROM:<a@b.example>\r\n"])
    assert not session.is_idle
    run(session, [b"RCPT TO:<c@d.example>\r\nDATA\r\n.\r\n"])
    assert session.is_idle
    session.receive(b"NO")
    assert not session.is_idle


def test_the_keyword_of_received_follows_rfc_3848_and_rfc_6531() -> None:
    session = Session(Profile(Mode.SUBMISSION, "mx", starttls=True))
    run(session, [b"HELO c\r\n"])
    assert session.with_keyword == "SMTP"
    run(session, [b"EHLO c\r\n"])
    assert session.with_keyword == "ESMTP"
    events, _ = run(session, [b"STARTTLS\r\n"])
    assert events == [TlsRequested()]
    session.tls_established()
    run(session, [b"EHLO c\r\nAUTH PLAIN AGEAYg==\r\n"])
    assert session.with_keyword == "ESMTPSA"
    run(session, [b"MAIL FROM:<a@b.example> SMTPUTF8\r\n"])
    assert session.with_keyword == "UTF8SMTPSA"
    lmtp = Session(Profile(Mode.LMTP, "mx"), secured=True)
    run(lmtp, [b"LHLO c\r\n"])
    assert lmtp.with_keyword == "LMTPS"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(PasswordCredentials("PLAIN", "a", "secret"))
