"""How long each step of a session may take (RFC 5321 section 4.5.3.2)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mailyard.smtp.client import Step


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect: float = 30.0
    greeting: float = 300.0
    tls: float = 60.0
    envelope: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    transaction: float = 3600.0  # all of it, so that nobody keeps us busy by being slow in every step

    def of(self, step: Step) -> float:
        """For the reply to `step`; for BODY: until a piece of the message has gone out."""
        match step:
            case Step.GREETING | Step.HELLO | Step.RSET | Step.QUIT:
                return self.greeting
            case Step.CONNECT:
                return self.connect
            case Step.STARTTLS:
                return self.tls
            case Step.AUTH | Step.MAIL | Step.RCPT:
                return self.envelope
            case Step.DATA:
                return self.data
            case Step.BODY:
                return self.block
            case Step.END:
                return self.final


class Patience:
    """How much time is left: for one reply, counted from the one before, and for the whole transaction.

    A server that sends an octet now and then does not get more time for its reply.
    """

    def __init__(self, timeouts: Timeouts, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._timeouts = timeouts
        self._clock = clock
        self._ends = 0.0
        self._waiting: tuple[Step, int] | None = None
        self._since = 0.0

    def begin(self) -> None:
        """A transaction, or the opening of a session, begins."""
        self._ends = self._clock() + self._timeouts.transaction
        self._waiting = None

    def left(self, step: Step, answers: int) -> float:
        """Seconds for the reply to `step`, after so many replies."""
        now = self._clock()
        if self._waiting != (step, answers):
            self._waiting, self._since = (step, answers), now
        return max(0.0, min(self._since + self._timeouts.of(step), self._ends) - now)

    def for_a_block(self) -> float:
        """Seconds for the next octets to go out."""
        return max(0.0, min(self._timeouts.block, self._ends - self._clock()))
