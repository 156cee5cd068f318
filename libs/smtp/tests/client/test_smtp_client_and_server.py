"""Both cores of this package in one conversation: what goes in on one side comes out on the other."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.client import (
    BodyWanted,
    ClientState,
    Dialect,
    Done,
    EnvelopeRecipient,
    Event,
    Options,
    Ready,
    Security,
    SmtpClient,
    StartTls,
    TransactionEnvelope,
)
from mailyard.smtp.parameters import BodyType
from mailyard.smtp.reply import reply
from mailyard.smtp.server.events import BodyData, MailFrom, MessageEnd, RcptTo, TlsRequested
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp.server.session import Session

PIECES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\x01\xff", b"x" * 20]), max_size=30
)
OK = reply(250, "2.0.0", "Ok")


class Receiver:
    """The server's shell: takes everything but recipients called nobody."""

    def __init__(self, mode: Mode, *, starttls: bool = False) -> None:
        self.session = Session(Profile(mode, "mx.example", starttls=starttls))
        self.pieces: list[bytes] = []
        self.messages: list[tuple[str, tuple[str, ...], bytes]] = []
        self.parameters: list[object] = []

    def take(self, data: bytes) -> bytes:
        session = self.session
        session.receive(data)
        while (event := session.next_event()) is not None:
            match event:
                case MailFrom():
                    self.parameters.append(event.parameters)
                    session.answer(OK)
                case RcptTo():
                    self.parameters.append(event.parameters)
                    nobody = event.path.local == "nobody"
                    session.answer(reply(550, "5.1.1", "No") if nobody else OK)
                case BodyData():
                    self.pieces.append(event.data)
                case MessageEnd():
                    assert session.mail is not None
                    recipients = tuple(str(to.path) for to in session.recipients)
                    self.messages.append((str(session.mail.path), recipients, b"".join(self.pieces)))
                    self.pieces.clear()
                    session.answer(OK)
                case PasswordCredentials():
                    session.answer(reply(235, "2.7.0", "Welcome"))
                case TlsRequested():
                    break
        return session.take_output()


def converse(
    client: SmtpClient, receiver: Receiver, envelope: TransactionEnvelope, pieces: list[bytes]
) -> Done:
    """Carry octets to and fro until the transaction is done."""
    pending: list[Event] = client.receive_data(receiver.take(b""))
    for _ in range(1000):
        for event in pending:
            match event:
                case Ready():
                    client.begin(envelope)
                case StartTls():
                    receiver.session.tls_established()
                    client.tls_established()
                case BodyWanted():
                    for piece in pieces:
                        client.send_body(piece)
                    client.end_body()
                case Done():
                    return event
        pending = client.receive_data(receiver.take(client.data_to_send()))
    raise AssertionError("the conversation does not end")


def envelope_for(*recipients: str, **fields) -> TransactionEnvelope:
    return TransactionEnvelope(
        "alice@a.example", tuple(EnvelopeRecipient(each) for each in recipients), **fields
    )


def repaired(message: bytes) -> bytes:
    return re.sub(rb"\r\n|\r|\n", b"\r\n", message.replace(b"\0", b"?"))


@given(PIECES)
@settings(deadline=None)
def test_a_message_by_data_arrives_with_proper_line_ends(pieces: list[bytes]) -> None:
    receiver = Receiver(Mode.MX)
    done = converse(SmtpClient(Options("r.example")), receiver, envelope_for("bob@b.example"), pieces)
    assert [str(each.reply) for each in done.outcomes] == ["250 2.0.0 Ok"]
    message = repaired(b"".join(pieces))
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    assert receiver.messages == [("alice@a.example", ("bob@b.example",), message)]


@given(PIECES)
@settings(deadline=None)
def test_a_message_by_bdat_arrives_with_proper_line_ends(pieces: list[bytes]) -> None:
    receiver = Receiver(Mode.MX)
    client = SmtpClient(Options("r.example", chunking_from=0))
    converse(client, receiver, envelope_for("bob@b.example"), pieces)
    assert [octets for _, _, octets in receiver.messages] == [repaired(b"".join(pieces))]


@given(PIECES)
@settings(deadline=None)
def test_a_binary_message_arrives_as_it_is(pieces: list[bytes]) -> None:
    receiver = Receiver(Mode.MX)
    envelope = envelope_for("bob@b.example", body=BodyType.BINARY)
    converse(SmtpClient(Options("r.example")), receiver, envelope, pieces)
    assert [octets for _, _, octets in receiver.messages] == [b"".join(pieces)]


@pytest.mark.parametrize(("mode", "dialect"), [(Mode.MX, Dialect.SMTP), (Mode.LMTP, Dialect.LMTP)])
def test_each_recipient_has_its_answer(mode: Mode, dialect: Dialect) -> None:
    receiver, client = Receiver(mode), SmtpClient(Options("r.example", dialect=dialect))
    envelope = envelope_for("bob@b.example", "nobody@b.example", "carol@b.example")
    done = converse(client, receiver, envelope, [b"x\r\n"])
    assert [each.reply.code for each in done.outcomes] == [250, 550, 250]
    assert receiver.messages == [("alice@a.example", ("bob@b.example", "carol@b.example"), b"x\r\n")]
    assert client.state is ClientState.READY


def test_what_was_asked_of_the_envelope_arrives() -> None:
    receiver, client = (
        Receiver(Mode.MX, starttls=True),
        SmtpClient(Options("r.example", security=Security.ENCRYPT)),
    )
    envelope = TransactionEnvelope(
        "bücher@a.example",
        (EnvelopeRecipient("bob@b.example", "SUCCESS,DELAY", "rfc822;bob+2Bx@b.example"),),
        size=3,
        body=BodyType.EIGHT_BIT,
        ret="HDRS",
        envid="Q+3D1",
    )
    done = converse(client, receiver, envelope, [b"x\r\n"])
    assert done.dsn_passed
    mail, recipient = receiver.parameters
    assert (mail.size, mail.body, mail.smtputf8, mail.ret, mail.envid) == (
        3,
        BodyType.EIGHT_BIT,
        True,
        "HDRS",
        "Q+3D1",
    )
    assert (recipient.notify, recipient.orcpt) == ("SUCCESS,DELAY", "rfc822;bob+2Bx@b.example")
