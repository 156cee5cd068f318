"""The order of commands (RFC 5321 section 4.1.4) as a client sees it: every command in every state."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import BodyData, InputRefused, MailFrom, MessageAborted, MessageEnd, RcptTo
from mailyard.smtp.server.limits import Mode, Profile, SmtpLimits
from mailyard.smtp.server.replies import MAIL_FIRST
from mailyard.smtp.server.session import Session

OK = reply(250, "2.0.0", "Ok")
NO = reply(550, "5.7.1", "No")
HELLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<a@a.example>\r\n"
RCPT = b"RCPT TO:<b@b.example>\r\n"
CHUNK = b"BDAT 2\r\nhi"
WAY = {
    "start": b"",
    "ready": HELLO,
    "mail": HELLO + MAIL,
    "rcpt": HELLO + MAIL + RCPT,
    "bdat": HELLO + MAIL + RCPT + CHUNK,
}
# Which reply codes RFC 5321 section 4.1.4, RFC 3207 section 4, RFC 4954 section 4 and RFC 3030 section 2 ask for.
CODES = {
    #            start ready mail rcpt bdat
    b"HELO c":    (250, 250, 250, 250, 250),
    b"EHLO c":    (250, 250, 250, 250, 250),
    b"LHLO c":    (500, 500, 500, 500, 500),
    b"STARTTLS":  (503, 220, 503, 503, 503),
    b"AUTH PLAIN": (503, 334, 503, 503, 503),
    b"MAIL FROM:<x@x.example>": (503, 250, 503, 503, 503),
    b"RCPT TO:<x@x.example>": (503, 503, 250, 250, 503),
    b"DATA":      (503, 503, 503, 354, 503),
    b"BDAT 0":    (503, 503, 503, 250, 250),
    b"BDAT 0 LAST": (503, 503, 503, 250, 250),
    b"RSET":      (250, 250, 250, 250, 250),
    b"NOOP":      (250, 250, 250, 250, 250),
    b"VRFY x":    (252, 252, 252, 252, 252),
    b"EXPN x":    (502, 502, 502, 502, 502),
    b"HELP":      (214, 214, 214, 214, 214),
    b"QUIT":      (221, 221, 221, 221, 221),
    b"":          (500, 500, 500, 500, 500),
    b"WHAT":      (500, 500, 500, 500, 500),
}  # fmt: skip


def submission(conversation, state: str):
    """A submission session that was brought into the state by commands."""
    opened = conversation(Profile(Mode.SUBMISSION, "mx", starttls=True), plaintext_auth=True)
    if state in {"start", "ready"}:
        opened.send(WAY[state])
    else:
        login = HELLO + b"AUTH PLAIN AGEAcmlnaHQ=\r\n"
        assert opened.codes(login, WAY[state].removeprefix(HELLO))[:2] == [250, 235]
    return opened


@pytest.mark.parametrize("command", [key for key in CODES if key != b"MAIL FROM:<x@x.example>"])
@pytest.mark.parametrize("state", WAY)
def test_a_command_has_its_code_in_each_state(conversation, state: str, command: bytes) -> None:
    expected = CODES[command][list(WAY).index(state)]
    assert submission(conversation, state).codes(command + b"\r\n") == [expected]


@pytest.mark.parametrize("state", WAY)
def test_mail_has_its_code_in_each_state(conversation, state: str) -> None:
    opened = conversation()
    opened.send(WAY[state])
    expected = CODES[b"MAIL FROM:<x@x.example>"][list(WAY).index(state)]
    assert opened.codes(b"MAIL FROM:<x@x.example>\r\n") == [expected]


@pytest.mark.parametrize("command", [key for key, codes in CODES.items() if codes[3] >= 500])
def test_a_refused_command_leaves_the_transaction_open(conversation, command: bytes) -> None:
    opened = conversation()
    opened.send(WAY["rcpt"], command + b"\r\n")
    assert opened.session.mail is not None
    assert opened.codes(b"DATA\r\n", b"x\r\n.\r\n") == [354, 250]
    assert opened.messages == [b"x\r\n"]


@pytest.mark.parametrize("command", [b"RSET", b"EHLO again", b"HELO again"])
@pytest.mark.parametrize("state", ["mail", "rcpt", "bdat"])
def test_reset_and_hello_end_the_transaction(conversation, state: str, command: bytes) -> None:
    opened = conversation()
    opened.send(WAY[state])
    assert opened.codes(command + b"\r\n") == [250]
    assert opened.session.mail is None
    assert opened.session.recipients == ()
    assert len(opened.seen(MessageAborted)) == (state == "bdat")
    assert opened.codes(RCPT) == [503]
    assert opened.codes(MAIL + RCPT + b"DATA\r\n", b".\r\n") == [250, 250, 354, 250]


def test_a_hello_that_is_refused_ends_nothing(conversation) -> None:
    opened = conversation()
    opened.send(WAY["rcpt"])
    assert opened.codes(b"EHLO\r\n", b"EHLO (comment)\r\n", b"HELO\r\n") == [501, 501, 501]
    assert opened.session.client_name == "client.example"
    assert opened.codes(b"DATA\r\n") == [354]


@pytest.mark.parametrize("last", [b"DATA\r\n", b"BDAT 3\r\n", b"BDAT 3 LAST\r\n"])
def test_commands_within_a_message_are_text(conversation, last: bytes) -> None:
    opened = conversation()
    opened.send(WAY["rcpt"] + last)
    assert opened.codes(b"QUI") == ([250] if b"BDAT" in last else [])
    assert not opened.session.take_output()


def test_a_sender_that_policy_refuses_begins_no_transaction() -> None:
    session = Session(Profile(Mode.MX, "mx"))
    session.receive(HELLO + MAIL + RCPT)
    assert isinstance(session.next_event(), MailFrom)
    session.answer(NO)
    assert session.mail is None
    assert session.is_outside_transaction
    assert session.next_event() == InputRefused("RCPT", MAIL_FIRST)
    assert session.next_event() is None
    assert session.take_output().endswith(b"550 5.7.1 No\r\n503 5.5.1 Need MAIL first\r\n")


class OrderOfCommands(RuleBasedStateMachine):
    """Any order of commands: the session agrees with a model that is written from RFC 5321 alone."""

    def __init__(self) -> None:
        super().__init__()
        limits = SmtpLimits(errors=10_000, idle_commands=10_000, refused_recipients=10_000)
        self.session = Session(Profile(Mode.MX, "mx", limits))
        self.session.take_output()
        self.greeted = False
        self.sender = False
        self.recipients = 0
        self.chunks: list[bytes] | None = None
        self.body = b""
        self.aborted = 0
        self.expected_aborted = 0

    def say(self, octets: bytes, answer: Reply = OK) -> int:
        """Send octets, answer what is asked; return the code of the one reply."""
        self.session.receive(octets)
        while (event := self.session.next_event()) is not None:
            if isinstance(event, BodyData):
                self.body += event.data
            elif isinstance(event, MessageAborted):
                self.aborted += 1
            elif isinstance(event, MailFrom | RcptTo | MessageEnd):
                self.session.answer(answer)
        lines = self.session.take_output().splitlines()
        finals = [int(line[:3]) for line in lines if line[3:4] == b" "]
        assert len(finals) == 1, lines
        return finals[0]

    def forget(self) -> None:
        self.expected_aborted += self.chunks is not None
        self.sender, self.recipients, self.chunks, self.body = False, 0, None, b""

    @rule(verb=st.sampled_from([b"EHLO", b"helo"]))
    def hello(self, verb: bytes) -> None:
        assert self.say(verb + b" c.example\r\n") == 250
        self.greeted = True
        self.forget()

    @rule(accepted=st.booleans())
    def mail(self, accepted: bool) -> None:
        code = self.say(MAIL, OK if accepted else NO)
        if not self.greeted or self.sender:
            assert code == 503
        else:
            assert code == (250 if accepted else 550)
            self.sender = accepted

    @rule(accepted=st.booleans())
    def rcpt(self, accepted: bool) -> None:
        code = self.say(RCPT, OK if accepted else NO)
        if not self.sender or self.chunks is not None:
            assert code == 503
        else:
            assert code == (250 if accepted else 550)
            self.recipients += accepted

    @rule(accepted=st.booleans(), text=st.sampled_from([b"", b"x\r\n", b"RSET\r\n"]))
    def data(self, accepted: bool, text: bytes) -> None:
        code = self.say(b"DATA\r\n")
        if not self.recipients or self.chunks is not None:
            assert code == 503
            return
        assert code == 354
        assert self.say(text + b".\r\n", OK if accepted else NO) == (250 if accepted else 550)
        assert self.body == text
        self.forget()

    @rule(octets=st.sampled_from([b"", b"hello", b"QUIT\r\n"]), last=st.booleans())
    def chunk(self, octets: bytes, last: bool) -> None:
        code = self.say(b"BDAT %d%b\r\n%b" % (len(octets), b" LAST" if last else b"", octets))
        if not self.recipients:
            assert code == 503
            return
        assert code == 250
        self.chunks = [*(self.chunks or []), octets]
        if last:
            assert self.body == b"".join(self.chunks)
            self.chunks = None
            self.forget()

    @rule()
    def rset(self) -> None:
        assert self.say(b"RSET\r\n") == 250
        self.forget()

    @rule(line=st.sampled_from([b"NOOP\r\n", b"VRFY a\r\n", b"HELP\r\n", b"WHAT\r\n", b"DATA now\r\n"]))
    def other(self, line: bytes) -> None:
        assert self.say(line) in {250, 252, 214, 500, 501, 503}

    @precondition(lambda self: self.greeted)
    @rule()
    def tls_is_not_offered(self) -> None:
        assert self.say(b"STARTTLS\r\n") == (503 if self.sender else 502)

    @invariant()
    def the_session_knows_what_the_model_knows(self) -> None:
        assert (self.session.mail is not None) == self.sender
        assert len(self.session.recipients) == self.recipients
        assert self.session.is_outside_transaction == (not self.sender)
        assert self.aborted == self.expected_aborted
        assert self.session.is_idle == (not self.sender)


OrderOfCommands.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestOrderOfCommands = OrderOfCommands.TestCase
