"""A conversation with the server core in which every event that waits for an answer gets one."""

from collections.abc import Callable

import pytest

from mailyard.sasl.mechanism import PasswordCredentials
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp.server.events import BodyData, Event, MailFrom, MessageAborted, MessageEnd, RcptTo
from mailyard.smtp.server.limits import Mode, Profile
from mailyard.smtp.server.session import Session

OK = reply(250, "2.0.0", "Ok")
MX = Profile(Mode.MX, "mx.example")


class Conversation:
    """Recipients named `unknown` are refused, and every password but `right`; all else is accepted."""

    def __init__(self, profile: Profile = MX, *, secured: bool = False, plaintext_auth: bool = False) -> None:
        self.session = Session(profile, secured=secured, plaintext_auth=plaintext_auth)
        self.events: list[Event] = []
        self.messages: list[bytes] = []
        self._body = b""
        self.greeting = self.session.take_output()

    def send(self, *segments: bytes) -> list[str]:
        """Send octets, segment by segment; return the lines that the server says."""
        for segment in segments:
            self.session.receive(segment)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                if (answer := self._answer(event)) is not None:
                    self.session.answer(answer)
        said = self.session.take_output()
        assert said == b"" or said.endswith(b"\r\n")
        return said.decode("ascii").splitlines()

    def codes(self, *segments: bytes) -> list[int]:
        """Send octets; return the codes of the replies."""
        return [int(line[:3]) for line in self.send(*segments) if line[3] == " "]

    def seen(self, kind: type) -> list[Event]:
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def _answer(self, event: Event) -> Reply | None:
        match event:
            case BodyData():
                self._body += event.data
            case MessageAborted():
                self._body = b""
            case MessageEnd():
                self.messages.append(self._body)
                self._body = b""
                return OK
            case MailFrom():
                return OK
            case RcptTo():
                return reply(550, "5.1.1", "No such user") if event.path.local == "unknown" else OK
            case PasswordCredentials():
                right = event.password == "right"
                return reply(235, "2.7.0", "Welcome") if right else reply(535, "5.7.8", "Wrong")
        return None


@pytest.fixture(scope="session")
def conversation() -> Callable[..., Conversation]:
    """Begins a conversation: `conversation(profile, secured=…, plaintext_auth=…)`."""
    return Conversation
