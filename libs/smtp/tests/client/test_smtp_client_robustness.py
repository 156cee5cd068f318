"""Whatever a server says, in whatever pieces, the client answers with events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.smtp.client import (
    BodyWanted,
    ClientState,
    Done,
    EnvelopeRecipient,
    Event,
    Lost,
    Options,
    Ready,
    Security,
    SessionRefused,
    SmtpClient,
    StartTls,
    TransactionEnvelope,
)
from mailyard.smtp.client.extensions import Extensions, parse_extensions
from mailyard.smtp.client.states import TRANSITIONS, ClientInput
from mailyard.smtp.reply import Reply, parse_reply, reply
from mailyard.smtp.transitions import MisuseError

TURNS = (  # what the server says each time that it has been spoken to
    b"220 mx.example ESMTP\r\n",
    b"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n",
    b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No\r\n354 Go on\r\n",
    b"250 2.0.0 Queued\r\n",
)
REPLIES = st.sampled_from(
    [
        *(b"%d x\r\n" % code for code in (220, 250, 354, 334, 421, 450)),
        b"250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n",
        b"550 5.1.1 x\r\n",
        b"250-x\r\n",
        b"x\r\n",
        b"\xff\r\n",
    ]
)
ENVELOPE = TransactionEnvelope(
    "alice@a.example", (EnvelopeRecipient("bob@b.example"), EnvelopeRecipient("no@b.example"))
)


def drive(client: SmtpClient, events: list[Event], seen: list[Event]) -> None:
    """Do what a shell would do."""
    for event in events:
        seen.append(event)
        if client.state is ClientState.CLOSED:
            continue
        if isinstance(event, Ready):
            drive(client, client.begin(ENVELOPE), seen)
        elif isinstance(event, StartTls):
            drive(client, client.tls_established(), seen)
        elif isinstance(event, BodyWanted):
            client.send_body(b"hello\r\n")
            client.end_body()


@given(st.integers(1, 20))
@settings(deadline=None)
def test_the_division_of_replies_does_not_matter(step: int) -> None:
    client, seen, sent = SmtpClient(Options("relay.example")), [], b""
    for turn in TURNS:
        for start in range(0, len(turn), step):
            drive(client, client.receive_data(turn[start : start + step]), seen)
        sent += client.data_to_send()
    assert [type(event) for event in seen] == [Ready, BodyWanted, Done]
    assert [str(outcome.reply) for outcome in seen[-1].outcomes] == ["250 2.0.0 Queued", "550 5.1.1 No"]
    assert sent.endswith(b"DATA\r\nhello\r\n.\r\n")


@given(st.lists(REPLIES, max_size=15), st.sampled_from(Security), st.sampled_from([None, 0]))
@settings(deadline=None)
def test_any_sequence_of_replies_ends_in_events(
    replies: list[bytes], security: Security, chunking: int | None
) -> None:
    client, seen = SmtpClient(Options("relay.example", security=security, chunking_from=chunking)), []
    for octets in replies:
        drive(client, client.receive_data(octets), seen)
        client.data_to_send()
    drive(client, client.connection_lost("gone"), seen)
    assert client.state is ClientState.CLOSED
    assert sum(isinstance(event, Lost | SessionRefused) for event in seen) == 1
    ready = any(isinstance(event, Ready) for event in seen)
    done = [event for event in seen if isinstance(event, Done)]
    assert len(done) == ready
    assert all(len(event.outcomes) == 2 for event in done)


@given(st.binary(max_size=3000))
@settings(deadline=None)
def test_any_octets_are_taken(octets: bytes) -> None:
    client = SmtpClient(Options("relay.example"))
    drive(client, client.receive_data(octets), [])
    drive(client, client.connection_lost("gone"), [])
    assert client.state is ClientState.CLOSED
    assert client.receive_data(b"220 too late\r\n") == []


@pytest.mark.parametrize("line", [b"250-" + b"x" * 5000, b"250-x\r\n" * 1000])
def test_replies_without_end_are_refused(line: bytes) -> None:
    client = SmtpClient(Options("relay.example"))
    events = client.receive_data(line)
    assert isinstance(events[0], SessionRefused)
    assert events[0].reply.enhanced == "4.5.0"


@pytest.mark.parametrize(
    "address", ["a@b>\r\nRCPT TO:<c@d", "a@b.example> SIZE=1", "a\nb@c.example", "a\0@b.example", "a\x7f@b"]
)
def test_an_address_cannot_hold_a_second_command(address: str) -> None:
    with pytest.raises(ValueError, match="in address"):
        EnvelopeRecipient(address)
    with pytest.raises(ValueError, match="in address"):
        TransactionEnvelope(address, (EnvelopeRecipient("b@c.example"),))


@pytest.mark.parametrize("value", ["a b", "a\r\nb", "\x7f", "\0"])
def test_a_parameter_cannot_hold_a_second_one(value: str) -> None:
    with pytest.raises(ValueError, match="in parameter"):
        EnvelopeRecipient("a@b.example", orcpt=value)
    with pytest.raises(ValueError, match="in parameter"):
        TransactionEnvelope("", (EnvelopeRecipient("a@b.example"),), envid=value)


def test_a_quoted_local_part_may_hold_an_angle_bracket() -> None:
    assert EnvelopeRecipient('"a>b"@c.example').address == '"a>b"@c.example'


def test_an_envelope_without_recipients_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one recipient"):
        TransactionEnvelope("", ())


def test_a_transaction_before_the_session_is_open_is_a_defect() -> None:
    client = SmtpClient(Options("relay.example"))
    with pytest.raises(MisuseError, match="GREETING"):
        client.begin(ENVELOPE)
    with pytest.raises(MisuseError):
        client.send_body(b"x")
    with pytest.raises(MisuseError):
        client.end_body()
    with pytest.raises(MisuseError):
        client.quit()


def test_every_state_can_be_lost_and_only_closed_is_final() -> None:
    assert all((state, ClientInput.LOST) in TRANSITIONS for state in ClientState)
    leaving = {state for state, moved_by in TRANSITIONS if moved_by is not ClientInput.LOST}
    assert set(ClientState) - leaving == {ClientState.QUITTING, ClientState.CLOSED}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SIZE 1000", Extensions(size=True, size_limit=1000)),
        ("size", Extensions(size=True)),
        ("SIZE lots", Extensions(size=True)),
        ("SIZE 0", Extensions(size=True)),
        ("auth=plain login", Extensions(auth=frozenset({"PLAIN", "LOGIN"}))),
        ("XSURPRISE 1 2 3", Extensions()),
        ("", Extensions()),
        ("BINARYMIME", Extensions(binary_mime=True)),
    ],
)
def test_an_offer_is_read(line: str, expected: Extensions) -> None:
    assert parse_extensions(reply(250, None, "mx.example", line)) == expected


def test_a_reply_that_comes_octet_by_octet_costs_no_more_than_its_octets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[int] = []

    def counting(buffer: bytes) -> tuple[Reply, int] | None:
        parsed.append(len(buffer))
        return parse_reply(buffer)

    monkeypatch.setattr("mailyard.smtp.client.replies.parse_reply", counting)
    client = SmtpClient(Options("r.example"))
    greeting = b"220-" + b"x" * 2000 + b"\r\n"
    for octet in greeting * 100 + b"220 x\r\n":
        client.receive_data(bytes([octet]))
    assert client.state is ClientState.HELLO
    assert len(parsed) <= 102


def test_a_line_without_end_is_given_up() -> None:
    client = SmtpClient(Options("r.example"))
    events = [event for octet in b"220 " + b"x" * 3000 for event in client.receive_data(bytes([octet]))]
    assert isinstance(events[-1], SessionRefused)
    assert "longer than" in events[-1].reply.text
    assert client.state is ClientState.CLOSED
