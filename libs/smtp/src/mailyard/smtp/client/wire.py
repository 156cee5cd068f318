"""The part that opening and transfer of a session share: state, commands, events, the server's extensions."""

from mailyard.smtp.client.commands import CommandQueue
from mailyard.smtp.client.events import Event
from mailyard.smtp.client.extensions import Extensions
from mailyard.smtp.client.states import TRANSITIONS, ClientInput, ClientState
from mailyard.smtp.transitions import next_state


class ProtocolViolation(Exception):
    """The server's reply is not valid at this step: the session ends, and the mail is tried again."""


class Wire:
    """The shared state; it changes along the table only."""

    def __init__(self) -> None:
        self.state = ClientState.GREETING
        self.commands = CommandQueue()
        self.events: list[Event] = []
        self.extensions = Extensions()

    def move(self, moved_by: ClientInput) -> None:
        """Change the state; raises MisuseError when the table has no such transition."""
        self.state = next_state(TRANSITIONS, self.state, moved_by)

    def close(self) -> None:
        """End the session: nothing more is sent."""
        self.commands.drop_unsent()
        self.move(ClientInput.LOST)

    def offer(self, extensions: Extensions) -> None:
        """Set the server's extensions; those from before TLS no longer count (RFC 3207 section 4.2)."""
        self.extensions = extensions
        self.commands.pipelining = extensions.pipelining

    def take_events(self) -> list[Event]:
        """Take the events since the last call."""
        events, self.events = self.events, []
        return events
