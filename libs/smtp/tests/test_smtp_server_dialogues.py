"""Runs the scripts in dialogues/: what a client says, what the server must say.

    # comment
    profile mode=submission starttls=yes …     once, at the top: fields of Profile and Limits, secured, plaintext_auth
    C: text          the client sends a line; neighbouring C lines come in one segment, as pipelining clients send them
    c: octets        the same with Python escapes and without an added CRLF
    S: text          the server's next line, exactly
    S~ regex         the server's next line, as a pattern
    tls              the TLS handshake happens
    message SENDER RECIPIENT[,…] 'octets'      the next message that was accepted
    aborted          a message that had begun was given up
    closed           the server closed the connection

Every script runs twice: with segments as written, and octet by octet. The server must be silent where no S line stands.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import (
    BodyData,
    Closing,
    Event,
    MailFrom,
    MessageAborted,
    MessageEnd,
    RcptTo,
    TlsRequested,
)
from mailyard.smtp.server.limits import BareNewline, Mode, NulOctet, Profile, SmtpLimits
from mailyard.smtp.server.session import Session

SCRIPTS = sorted((Path(__file__).parent / "dialogues").glob("*.dialogue"))
LIMITS = (
    "command_line",
    "commands",
    "idle_commands",
    "errors",
    "refused_recipients",
    "recipients",
    "message_size",
)


@dataclass
class Server:
    """A session with a policy simple enough to read in a script.

    Senders of `refused.example` are refused; so are recipients named `unknown`; the password is `right`;
    a message to a recipient named `full` cannot be stored for it.
    """

    session: Session
    body: bytearray = field(default_factory=bytearray)
    messages: list[str] = field(default_factory=list)
    accepted: int = 0
    aborted: int = 0
    closed: bool = False
    handshake: bool = False

    def receive(self, data: bytes) -> None:
        self.session.receive(data)
        while (event := self.session.next_event()) is not None:
            self.handle(event)

    def handle(self, event: Event) -> None:
        match event:
            case MailFrom(path):
                refused = path.domain == "refused.example"
                self.session.answer(
                    reply(550, "5.7.1", "Not from you") if refused else reply(250, "2.1.0", "Ok")
                )
            case RcptTo(path):
                known = path.local != "unknown"
                self.session.answer(
                    reply(250, "2.1.5", "Ok") if known else reply(550, "5.1.1", "No such user")
                )
            case PasswordCredentials(password=password):
                right = password == "right"
                self.session.answer(reply(235, "2.7.0", "Welcome") if right else reply(535, "5.7.8", "Wrong"))
            case BodyData(data):
                self.body += data
            case MessageEnd():
                self.session.answer(*self.keep())
            case MessageAborted():
                self.aborted += 1
                self.body.clear()
            case TlsRequested():
                self.handshake = True
            case Closing():
                self.closed = True

    def keep(self) -> list[Reply]:
        assert self.session.mail is not None
        recipients = [str(recipient.path) for recipient in self.session.recipients]
        sender = str(self.session.mail.path) or "<>"
        self.messages.append(f"{sender} {','.join(recipients)} {bytes(self.body)!r}")
        self.body.clear()
        self.accepted += 1
        stored = reply(250, "2.0.0", f"Ok: queued as {self.accepted}")
        full = reply(452, "4.2.2", "Mailbox full")
        if not any(recipient.startswith("full@") for recipient in recipients):
            return [stored]
        return [full if recipient.startswith("full@") else stored for recipient in recipients]


def server_for(words: list[str]) -> Server:
    options = dict(word.split("=", 1) for word in words)
    limits = SmtpLimits(**{name: int(options.pop(name)) for name in LIMITS if name in options})
    profile = Profile(
        Mode(options.pop("mode", "mx")),
        "mx.example.org",
        limits,
        starttls=options.pop("starttls", "no") == "yes",
        bare_newline=BareNewline(options.pop("bare_newline", "reject")),
        nul=NulOctet(options.pop("nul", "replace")),
        binarymime=options.pop("binarymime", "yes") == "yes",
    )
    secured = options.pop("secured", "no") == "yes"
    plaintext_auth = options.pop("plaintext_auth", "no") == "yes"
    assert not options, f"unknown options in profile: {options}"
    return Server(Session(profile, secured=secured, plaintext_auth=plaintext_auth))


class Run:
    """One script against one server."""

    def __init__(self, script: list[str], *, octet_by_octet: bool) -> None:
        self.octet_by_octet = octet_by_octet
        words = script.pop(0).split()
        assert words[0] == "profile", "a script begins with its profile"
        self.server = server_for(words[1:])
        self.script = script
        self.segment = b""
        self.said = b""

    def play(self) -> None:
        for line in self.script:
            if line.startswith(("C: ", "c: ")):
                self.segment += client_octets(line)
                continue
            self.send()
            self.check(line)
        self.send()
        assert self.said == b"", f"the server said more than the script: {self.said!r}"
        assert not self.server.messages, f"messages that the script does not mention: {self.server.messages}"

    def send(self) -> None:
        segment, self.segment = self.segment, b""
        if self.octet_by_octet:
            for octet in segment:
                self.server.receive(bytes((octet,)))
        elif segment:
            self.server.receive(segment)
        self.said += self.server.session.take_output()

    def check(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind in {"S:", "S~"}:
            said, separator, self.said = self.said.partition(b"\r\n")
            assert separator, f"the server is silent; expected {rest!r}"
            matches = said.decode() == rest if kind == "S:" else re.fullmatch(rest, said.decode())
            assert matches, f"expected {rest!r}, the server said {said.decode()!r}"
        elif kind == "tls":
            assert self.server.handshake, "no handshake was asked for"
            self.server.handshake = False
            self.server.session.tls_established()
        elif kind == "message":
            assert self.server.messages.pop(0) == expected_message(rest)
        elif kind == "aborted":
            assert self.server.aborted == 1, f"{self.server.aborted} messages were aborted"
            self.server.aborted = 0
        elif kind == "closed":
            assert self.server.closed, "the connection is still open"
        else:
            raise AssertionError(f"no such directive: {line!r}")


def client_octets(line: str) -> bytes:
    text = line[3:]
    return octets(text) if line.startswith("c: ") else text.encode() + b"\r\n"


def octets(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def expected_message(text: str) -> str:
    addresses, quote, body = text.partition("'")
    return addresses + repr(ast.literal_eval("b" + quote + body))


def lines_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("octet_by_octet", [False, True], ids=["segments", "octets"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_server_follows_the_script(path: Path, octet_by_octet: bool) -> None:
    Run(lines_of(path), octet_by_octet=octet_by_octet).play()


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 20
