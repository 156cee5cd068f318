"""How long each step of a session may take (RFC 5321 section 4.5.3.2).

While connections are short, replies before the message are not waited for as long as the RFC asks, so that slow hosts
do not keep mail from all others. The reply after the message is always waited for: without it the mail goes twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailyard.smtp.client import Step


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time-outs in seconds."""

    connect: float = 30.0
    greeting: float = 300.0
    tls: float = 60.0
    envelope: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    transaction: float = (
        3600.0  # up to the final dot, so that nobody keeps us busy by being slow in every step
    )
    busy: float = 30.0  # for one reply, or one block, while connections are short

    def of(self, step: Step) -> float:
        """Return the time-out of the reply to `step`; for BODY: until a piece of the message has gone out."""
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


_BUSY_REPLIES: Final = 10  # so many times `Timeouts.busy` is the most for all replies before the message


def _never() -> bool:
    return False


class ReplyTimer:
    """The time that is left: for one reply, counted from the one before, and for the whole transaction.

    A server that sends an octet now and then does not get more time for its reply.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        clock: Callable[[], float] = time.monotonic,
        busy: Callable[[], bool] = _never,
    ) -> None:
        """`clock`: monotonic seconds. `busy`: whether connections are short now."""
        self._timeouts = timeouts
        self._clock = clock
        self._busy = busy
        self._began = 0.0
        self._waiting: tuple[Step, int] | None = None
        self._since = 0.0

    def begin(self) -> None:
        """Start the time of a transaction, or of the opening of a session."""
        self._began = self._clock()
        self._waiting = None

    def left(self, step: Step, answers: int) -> float:
        """Return the seconds for the reply to `step`, after so many replies."""
        now = self._clock()
        if self._waiting != (step, answers):
            self._waiting, self._since = (step, answers), now
        if step is Step.END:
            return max(0.0, self._since + self._timeouts.final - now)
        seconds, total = self._timeouts.of(step), self._timeouts.transaction
        if self._busy():
            seconds = min(seconds, self._timeouts.busy)
            total = total if step is Step.BODY else min(total, _BUSY_REPLIES * self._timeouts.busy)
        return max(0.0, min(self._since + seconds, self._began + total) - now)

    def for_a_block(self) -> float:
        """Return the seconds for the next octets to be sent."""
        seconds = self._timeouts.block
        if self._busy():
            seconds = min(seconds, self._timeouts.busy)
        return max(0.0, min(seconds, self._began + self._timeouts.transaction - self._clock()))
