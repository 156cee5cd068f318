"""Commands on their way out and the replies that they are owed, in order.

With PIPELINING everything is sent at once (RFC 2920), otherwise each command waits for the reply to the one before.
"""

from collections import deque
from dataclasses import dataclass

from mailyard.smtp.client.states import Step


@dataclass(frozen=True, slots=True)
class Command:
    """Octets that `replies` replies answer."""

    step: Step
    octets: bytes
    replies: int = 1


class CommandQueue:
    """What is to be sent, what has been sent, and what answers are due."""

    def __init__(self) -> None:
        self.pipelining = False
        self._unsent: deque[Command] = deque()
        self._due: deque[Step] = deque()
        self._out: list[bytes] = []

    @property
    def awaiting(self) -> Step | None:
        """What the next reply answers."""
        return self._due[0] if self._due else None

    @property
    def idle(self) -> bool:
        """Nothing to send, nothing due."""
        return not self._unsent and not self._due

    @property
    def blocked(self) -> bool:
        """Something waits for an earlier reply."""
        return bool(self._unsent)

    def expect(self, step: Step) -> None:
        """A reply to no command: the greeting."""
        self._due.append(step)

    def add(self, *commands: Command) -> None:
        """Send as soon as the server allows."""
        self._unsent.extend(commands)
        self.advance()

    def write(self, data: bytes) -> None:
        """Octets that no reply answers: the message after 354."""
        self._out.append(data)

    def answered(self) -> None:
        """The awaited reply has come; `advance` when it has been understood."""
        self._due.popleft()

    def drop_unsent(self) -> None:
        """What has not been sent is not worth sending any more."""
        self._unsent.clear()

    def data_to_send(self) -> bytes:
        """Everything to write now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def advance(self) -> None:
        """Send what may be sent now."""
        while self._unsent and (self.pipelining or not self._due):
            command = self._unsent.popleft()
            self._out.append(command.octets)
            self._due.extend([command.step] * command.replies)
