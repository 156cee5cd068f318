"""Commands that are to be sent, and the replies that are due, in order.

With PIPELINING everything is sent at once (RFC 2920), otherwise each command waits for the reply to the one before.
"""

from collections import deque
from dataclasses import dataclass

from mailyard.smtp.client.states import Step


@dataclass(frozen=True, slots=True)
class Command:
    """Octets with the number of replies that answer them."""

    step: Step
    octets: bytes
    replies: int = 1


class CommandQueue:
    """The commands to send, those sent, and the replies that are due."""

    def __init__(self) -> None:
        self.pipelining = False
        self._unsent: deque[Command] = deque()
        self._due: deque[Step] = deque()
        self._out: list[bytes] = []

    @property
    def awaiting(self) -> Step | None:
        """The step that the next reply answers."""
        return self._due[0] if self._due else None

    @property
    def idle(self) -> bool:
        """Whether nothing is to be sent and no reply is due."""
        return not self._unsent and not self._due

    @property
    def blocked(self) -> bool:
        """Whether a command waits for an earlier reply."""
        return bool(self._unsent)

    def expect(self, step: Step) -> None:
        """Expect a reply to no command: the greeting."""
        self._due.append(step)

    def add(self, *commands: Command) -> None:
        """Queue a command; it is sent as soon as the server permits."""
        self._unsent.extend(commands)
        self.advance()

    def write(self, data: bytes) -> None:
        """Queue octets that no reply answers: the message after 354."""
        self._out.append(data)

    def answered(self) -> None:
        """Take the step of the reply that has come; call `advance` when it was handled."""
        self._due.popleft()

    def drop_unsent(self) -> None:
        """Drop the commands that have not been sent."""
        self._unsent.clear()

    def data_to_send(self) -> bytes:
        """Take the octets that are to be written now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def advance(self) -> None:
        """Move the commands that may be sent now to the output."""
        while self._unsent and (self.pipelining or not self._due):
            command = self._unsent.popleft()
            self._out.append(command.octets)
            self._due.extend([command.step] * command.replies)
