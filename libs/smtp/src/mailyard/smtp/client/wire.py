"""What the two halves of a session, opening and transfer, share: state, commands, events, the server's offers."""

from mailyard.smtp.client.commands import CommandQueue
from mailyard.smtp.client.events import Event
from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.states import Input, State, next_state


class ProtocolViolation(Exception):
    """The server's reply makes no sense at this step: the session ends, the mail waits."""


class Wire:
    """The state moves only along the table."""

    def __init__(self) -> None:
        self.state = State.GREETING
        self.commands = CommandQueue()
        self.events: list[Event] = []
        self.extensions = Extensions()

    def move(self, moved_by: Input) -> None:
        """Raises MisuseError when the table has no such transition."""
        self.state = next_state(self.state, moved_by)

    def close(self) -> None:
        """The session is over: nothing more is said."""
        self.commands.drop_unsent()
        self.move(Input.LOST)

    def offer(self, extensions: Extensions) -> None:
        """The server's offers; what it said before TLS no longer counts (RFC 3207 section 4.2)."""
        self.extensions = extensions
        self.commands.pipelining = extensions.pipelining

    def take_events(self) -> list[Event]:
        """What has happened since the last call."""
        events, self.events = self.events, []
        return events
