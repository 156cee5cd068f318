"""The opening of a session step by step: the state, the step whose timeout applies, and how it can fail."""

import pytest

from mailyard.smtp.client import (
    BodyWanted,
    ClientState,
    Dialect,
    Done,
    EnvelopeRecipient,
    LoginCredentials,
    Lost,
    Options,
    Ready,
    Security,
    SessionRefused,
    SmtpClient,
    StartTls,
    Step,
    TransactionEnvelope,
)
from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.reply import reply
from mailyard.smtp.transitions import MisuseError

ENVELOPE = TransactionEnvelope("", (EnvelopeRecipient("b@b.example"), EnvelopeRecipient("c@b.example")))
DSN_ENVELOPE = TransactionEnvelope("", (EnvelopeRecipient("b@b.example", "SUCCESS"),))
CREDENTIALS = LoginCredentials("tim", "secret")


def client_for(**options) -> SmtpClient:
    tls = options.pop("tls", False)
    return SmtpClient(Options("relay.example", **options), tls=tls)


def talk(client: SmtpClient, *turns: bytes) -> list:
    """What the server says, turn by turn; return the events of the last turn."""
    events: list = []
    for turn in turns:
        events = client.receive_data(turn)
        client.data_to_send()
    return events


def opened(keywords: bytes = b"", **options) -> SmtpClient:
    client = client_for(security=Security.NONE, **options)
    lines = [b"mx.example", *keywords.split()]
    said = b"".join(b"250%b%b\r\n" % (b"-" if line is not lines[-1] else b" ", line) for line in lines)
    assert [type(event) for event in talk(client, b"220 mx\r\n", said)] == [Ready]
    return client


def test_each_step_of_the_opening_is_awaited_under_its_name() -> None:
    """RFC 5321 section 4.5.3.2 has a timeout for each."""
    client = client_for(security=Security.MAY, credentials=CREDENTIALS)
    steps = [(client.state, client.awaiting)]
    for turn in (b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n"):
        talk(client, turn)
        steps.append((client.state, client.awaiting))
    client.tls_established()
    steps.append((client.state, client.awaiting))
    talk(client, b"250-mx\r\n250 AUTH PLAIN\r\n")
    steps.append((client.state, client.awaiting))
    assert [type(event) for event in talk(client, b"235 welcome\r\n")] == [Ready]
    steps.append((client.state, client.awaiting))
    assert steps == [
        (ClientState.GREETING, Step.GREETING),
        (ClientState.HELLO, Step.HELLO),
        (ClientState.STARTTLS, Step.STARTTLS),
        (ClientState.HANDSHAKE, Step.STARTTLS),
        (ClientState.HELLO, Step.HELLO),
        (ClientState.AUTH, Step.AUTH),
        (ClientState.READY, None),
    ]


def test_each_step_of_a_transaction_is_awaited_under_its_name() -> None:
    client = opened()
    client.begin(ENVELOPE)
    steps = [client.awaiting]
    for turn in (b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n"):
        talk(client, turn)
        steps.append(client.awaiting)
    assert [type(event) for event in talk(client, b"354 go\r\n")] == [BodyWanted]
    steps.append(client.awaiting)
    assert client.takes_body
    client.send_body(b"x")
    client.end_body()
    steps.append(client.awaiting)
    assert not client.takes_body
    talk(client, b"250 ok\r\n")
    client.quit()
    steps.append(client.awaiting)
    assert steps == [Step.MAIL, Step.RCPT, Step.RCPT, Step.DATA, Step.BODY, Step.END, Step.QUIT]


def test_every_complete_reply_counts_as_progress() -> None:
    client = client_for()
    client.receive_data(b"220-mx\r\n220-still\r\n22")
    assert client.answers == 0
    client.receive_data(b"0 mx\r\n")
    assert client.answers == 1


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"mx.Example.ORG", "mx.example.org"),
        (b"mx.example.org. at your service", "mx.example.org"),
        (b"", ""),
        (b"[192.0.2.1]", "[192.0.2.1]"),
    ],
)
def test_the_name_of_the_server_is_the_first_word_of_its_reply_to_ehlo(line: bytes, name: str) -> None:
    client = client_for(security=Security.NONE)
    talk(client, b"220 mx\r\n", b"250-" + line + b"\r\n250 PIPELINING\r\n")
    assert client.server_name == name


def test_a_server_without_ehlo_gets_helo_and_its_words_are_no_offers() -> None:
    client = client_for(security=Security.MAY)
    talk(client, b"220 mx\r\n", b"502 what\r\n")
    assert client.state is ClientState.HELLO
    assert [type(event) for event in talk(client, b"250-mx\r\n250 STARTTLS\r\n")] == [Ready]
    assert client.extensions == Extensions()


@pytest.mark.parametrize(
    ("code", "dialect"), [(421, Dialect.SMTP), (450, Dialect.SMTP), (502, Dialect.LMTP), (450, Dialect.LMTP)]
)
def test_a_hello_that_is_refused_otherwise_ends_the_session(code: int, dialect: Dialect) -> None:
    client = client_for(dialect=dialect)
    (event,) = talk(client, b"220 mx\r\n", b"%d no\r\n" % code)
    assert event == SessionRefused(Step.HELLO, reply(code, None, "no"))
    assert client.state is ClientState.CLOSED


@pytest.mark.parametrize("greeting", [b"554 no mail here\r\n", b"421 later\r\n", b"450 later\r\n"])
def test_a_greeting_that_refuses_ends_the_session_before_anything_is_said(greeting: bytes) -> None:
    """RFC 7504: 521 and 554 in the greeting say that there is no SMTP service."""
    client = client_for()
    (event,) = client.receive_data(greeting)
    assert isinstance(event, SessionRefused)
    assert (event.step, event.reply.code, event.own) == (Step.GREETING, int(greeting[:3]), False)
    assert client.data_to_send() == b""


@pytest.mark.parametrize("security", [Security.ENCRYPT, Security.VERIFY])
@pytest.mark.parametrize("said", [b"250 mx\r\n", b"250-mx\r\n250 PIPELINING\r\n"])
def test_mail_that_needs_tls_does_not_go_out_in_clear(security: Security, said: bytes) -> None:
    client = client_for(security=security)
    (event,) = talk(client, b"220 mx\r\n", said)
    assert (event.step, event.reply.enhanced, event.own) == (Step.STARTTLS, "4.7.4", True)


@pytest.mark.parametrize("security", list(Security))
def test_a_connection_that_was_encrypted_before_needs_no_starttls(security: Security) -> None:
    client = client_for(security=security, tls=True)
    assert [type(event) for event in talk(client, b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n")] == [Ready]


def test_offers_from_before_the_handshake_no_longer_count() -> None:
    client = client_for(security=Security.MAY)
    talk(client, b"220 mx\r\n", b"250-mx\r\n250-PIPELINING\r\n250-SIZE 5\r\n250 STARTTLS\r\n")
    assert talk(client, b"220 go\r\n") == [StartTls()]
    client.tls_established()
    assert client.extensions == Extensions()
    (ready,) = talk(client, b"250-mx\r\n250 DSN\r\n")
    assert ready == Ready(Extensions(dsn=True))


@pytest.mark.parametrize(
    "fails",
    [lambda client: client.tls_failed("bad certificate"), lambda client: client.connection_lost("reset")],
)
def test_a_handshake_that_fails_ends_the_session_under_starttls(fails) -> None:
    client = client_for(security=Security.MAY)
    talk(client, b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n")
    (event,) = fails(client)
    assert isinstance(event, SessionRefused)
    assert (event.step, event.own, client.state) == (Step.STARTTLS, True, ClientState.CLOSED)
    with pytest.raises(MisuseError):
        client.tls_established()


def test_nothing_is_read_while_the_handshake_is_due() -> None:
    """RFC 3207 section 6: what came in clear must not count under TLS."""
    client = client_for(security=Security.MAY)
    talk(client, b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n")
    assert client.receive_data(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n") == [StartTls()]
    assert client.data_to_send() == b""
    client.tls_established()
    assert client.data_to_send() == b"EHLO relay.example\r\n"
    assert client.state is ClientState.HELLO


@pytest.mark.parametrize("tls", [False, True])
def test_credentials_go_out_under_tls_only(tls: bool) -> None:
    client = client_for(security=Security.NONE, credentials=CREDENTIALS, tls=tls)
    client.receive_data(b"220 mx\r\n")
    client.data_to_send()
    events = client.receive_data(b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n")
    assert (client.data_to_send() == b"AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n") is tls
    assert [(event.step, event.reply.enhanced) for event in events] == ([] if tls else [(Step.AUTH, "4.7.0")])


@pytest.mark.parametrize("code", [454, 535, 421])
def test_a_login_that_is_refused_ends_the_session(code: int) -> None:
    client = client_for(security=Security.NONE, credentials=CREDENTIALS, tls=True)
    (event,) = talk(client, b"220 mx\r\n", b"250-mx\r\n250 AUTH PLAIN\r\n", b"%d no\r\n" % code)
    assert event == SessionRefused(Step.AUTH, reply(code, None, "no"))


@pytest.mark.parametrize(
    ("turns", "step"),
    [
        ((b"354 go\r\n",), Step.GREETING),
        ((b"220 mx\r\n", b"334 go\r\n"), Step.HELLO),
        ((b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"334 go\r\n"), Step.STARTTLS),
    ],
)
def test_an_intermediate_reply_where_none_belongs_is_a_violation(
    turns: tuple[bytes, ...], step: Step
) -> None:
    client = client_for(security=Security.MAY)
    (event,) = talk(client, *turns)
    assert isinstance(event, SessionRefused)
    assert (event.step, event.own, event.reply.enhanced) == (step, step is not Step.GREETING or True, "4.5.0")


def test_a_reply_that_nobody_asked_for_ends_a_session_that_waits() -> None:
    client = opened()
    (event,) = client.receive_data(b"250 surprise\r\n")
    assert isinstance(event, Lost)
    assert (event.own, event.reply.enhanced) == (True, "4.5.0")
    assert client.state is ClientState.CLOSED


@pytest.mark.parametrize("said", [b"421 shutting down\r\n", b"421-4.3.2 shutting\r\n421 4.3.2 down\r\n"])
def test_421_between_transactions_is_the_servers_own_end(said: bytes) -> None:
    (event,) = opened().receive_data(said)
    assert isinstance(event, Lost)
    assert (event.reply.code, event.own) == (421, False)


@pytest.mark.parametrize("said", [b"221 bye\r\n", b"421 bye\r\n", b"500 what\r\n"])
def test_any_reply_to_quit_ends_the_session_without_an_event(said: bytes) -> None:
    client = opened()
    client.quit()
    assert client.data_to_send() == b"QUIT\r\n"
    assert client.state is ClientState.QUITTING
    assert client.receive_data(said) == []
    assert client.state is ClientState.CLOSED


def test_a_connection_that_is_lost_after_quit_is_no_failure() -> None:
    client = opened()
    client.quit()
    assert client.connection_lost("reset") == []
    assert client.state is ClientState.CLOSED
    assert client.connection_lost("again") == []


@pytest.mark.parametrize(
    ("said", "code"), [(b"451 disk full\r\n", 451), (b"550 spam\r\n", 550), (b"250 fine\r\n", 451)]
)
def test_a_reply_within_the_message_ends_the_session(said: bytes, code: int) -> None:
    client = opened(b"PIPELINING")
    client.begin(ENVELOPE)
    talk(client, b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
    client.send_body(b"half")
    done, lost = client.receive_data(said)
    assert [outcome.reply.code for outcome in done.outcomes] == [code, 550]
    assert [outcome.uncertain for outcome in done.outcomes] == [False, False]
    assert isinstance(lost, Lost)
    assert client.state is ClientState.CLOSED
    with pytest.raises(MisuseError):
        client.send_body(b"more")


def test_lmtp_refuses_354_without_a_recipient() -> None:
    """RFC 2033 section 4.2: the server must answer 503."""
    client = opened(b"PIPELINING", dialect=Dialect.LMTP)
    client.begin(ENVELOPE)
    done, lost = talk(client, b"250 ok\r\n550 no\r\n551 no\r\n354 go\r\n")
    assert [outcome.reply.code for outcome in done.outcomes] == [550, 551]
    assert (type(lost), client.state) == (Lost, ClientState.CLOSED)


@pytest.mark.parametrize(
    ("keywords", "envelope", "passed"),
    [(b"DSN", DSN_ENVELOPE, True), (b"DSN", ENVELOPE, False), (b"", DSN_ENVELOPE, False)],
)
def test_the_event_says_whether_the_server_took_over_the_dsn_parameters(
    keywords: bytes, envelope: TransactionEnvelope, passed: bool
) -> None:
    client = opened(keywords)
    client.begin(envelope)
    (done,) = talk(client, b"550 no\r\n")
    assert isinstance(done, Done)
    assert done.dsn_passed is passed
