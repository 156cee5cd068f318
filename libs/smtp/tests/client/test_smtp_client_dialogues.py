"""Plays the scripts in dialogues/ against the client core, octet by octet.

# comment                      the first one is the test's sentence
option NAME VALUE              of Options; `option tls yes`: the connection was encrypted before the greeting
from ADDRESS [NAME=VALUE …]    a new envelope; parameters: size, body, smtputf8, ret, envid
to ADDRESS [NAME=VALUE …]      notify, orcpt
text TEXT                      the message; Python escapes
begin                          start the transaction
quit                           say good-bye
S: LINE                        the server says it; before, the client must have sent exactly the C: lines
C: LINE                        the client sends it, with CRLF; Python escapes; C- LINE: without CRLF
tls                            the client asks for the handshake, which succeeds
cut REASON                     the connection breaks
starttls                       the client asks for the handshake, and waits
ready                          the session is open
= STEP REPLY                   the outcome of the next recipient; (own) behind it when the client said it
refused STEP REPLY, lost REPLY events
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailyard.smtp.client import (
    BodyWanted,
    Dialect,
    Done,
    EightBit,
    EnvelopeRecipient,
    Event,
    LoginCredentials,
    Lost,
    Options,
    Ready,
    Security,
    SessionRefused,
    SmtpClient,
    StartTls,
    TransactionEnvelope,
)
from mailyard.smtp.parameters import BodyType

SCRIPTS = sorted(Path(__file__).parent.joinpath("dialogues").glob("*.txt"))
OPTIONS = {
    "security": Security,
    "dialect": Dialect,
    "eight_bit": EightBit,
    "chunking_from": int,
    "credentials": lambda text: LoginCredentials(*text.split(":")),
    "tls": lambda text: text == "yes",
}
PARAMETERS = {"size": int, "body": BodyType, "smtputf8": lambda text: text == "yes"}


class Player:
    def __init__(self) -> None:
        self.options: dict = {"hostname": "relay.example", "security": Security.NONE}
        self.sender: tuple = ("", {})
        self.recipients: list[EnvelopeRecipient] = []
        self.text = b""
        self.expected = b""
        self.events: list[str] = []
        self._client: SmtpClient | None = None

    @property
    def client(self) -> SmtpClient:
        if self._client is None:
            options = dict(self.options)
            tls = options.pop("tls", False)
            self._client = SmtpClient(Options(**options), tls=tls)
        return self._client

    def note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, BodyWanted):
                self.client.send_body(self.text)
                if self.client.takes_body:
                    self.client.end_body()
            else:
                self.events.extend(described(event))

    def sent(self, line: str) -> None:
        actual = self.client.data_to_send()
        assert actual == self.expected, f"before {line!r}"
        self.expected = b""

    def play(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        match verb:
            case "option":
                name, _, value = rest.partition(" ")
                self.options[name] = OPTIONS[name](value)
            case "from":
                self.sender = parsed(rest)
                self.recipients = []
            case "to":
                address, parameters = parsed(rest)
                self.recipients.append(EnvelopeRecipient(address, **parameters))
            case "text":
                self.text = unescaped(rest)
            case "begin":
                self.sent(line)
                address, parameters = self.sender
                self.note(
                    self.client.begin(TransactionEnvelope(address, tuple(self.recipients), **parameters))
                )
            case "quit":
                self.client.quit()
            case "S:":
                assert self.client is not None
                self.sent(line)
                self.note(self.client.receive_data(unescaped(rest) + b"\r\n"))
            case "C:":
                self.expected += unescaped(rest) + b"\r\n"
            case "C-":
                self.expected += unescaped(rest)
            case "cut":
                self.sent(line)
                self.note(self.client.connection_lost(rest))
            case "tls":
                self.sent(line)
                self.pop("starttls")
                self.note(self.client.tls_established())
            case "ready" | "starttls" | "refused" | "lost" | "=":
                self.pop(line)
            case _:
                raise ValueError(f"not a line of a dialogue: {line!r}")

    def pop(self, wanted: str) -> None:
        assert self.events, f"nothing happened, expected {wanted!r}"
        assert self.events.pop(0) == wanted

    def finish(self) -> None:
        self.sent("the end")
        assert self.events == []


def described(event: Event) -> Iterator[str]:
    match event:
        case Ready():
            yield "ready"
        case StartTls():
            yield "starttls"
        case Done():
            for outcome in event.outcomes:
                yield f"= {outcome.step.value} {outcome.reply}{' (own)' if outcome.own else ''}"
        case SessionRefused():
            yield f"refused {event.step.value} {event.reply}{' (own)' if event.own else ''}"
        case Lost():
            yield f"lost {event.reply}{' (own)' if event.own else ''}"


def parsed(text: str) -> tuple[str, dict]:
    address, *words = text.split(" ")
    pairs = dict(word.split("=", 1) for word in words)
    return address.strip("<>"), {key: PARAMETERS.get(key, str)(value) for key, value in pairs.items()}


def unescaped(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_dialogue_goes_as_written(path: Path) -> None:
    player = Player()
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            player.play(line)
    player.finish()


def test_there_are_dialogues() -> None:
    assert len(SCRIPTS) > 20
