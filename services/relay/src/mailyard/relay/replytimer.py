"""How long each step of a session may take (RFC 5321 section 4.5.3.2).

While connections are short, replies before the message are not waited for as long as the RFC asks, so that slow hosts
do not keep mail from all others. The reply after the message is always waited for: without it the mail goes twice.
"""

import time
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, Field

from mailyard.smtp.client import Step

Seconds = Annotated[float, Field(gt=0, le=3600)]


class ReplyTimeouts(BaseModel):
    """The settings of time-outs (RFC 5321 section 4.5.3.2)."""

    connect_seconds: Seconds = Field(
        default=30.0, description="For a connection, for each address of a host."
    )
    greeting_seconds: Seconds = Field(default=300.0, description="For the greeting and for EHLO, HELO, RSET.")
    tls_seconds: Seconds = Field(default=60.0, description="For a TLS handshake, and the reply to STARTTLS.")
    envelope_seconds: Seconds = Field(default=300.0, description="For the replies to AUTH, MAIL and RCPT.")
    data_seconds: Seconds = Field(default=120.0, description="For the reply to DATA.")
    block_seconds: Seconds = Field(default=180.0, description="For each piece of the message to go out.")
    final_seconds: Seconds = Field(
        default=600.0,
        description="For the reply after the message. A stop waits for it, too: drain_seconds must be long enough.",
    )
    transaction_seconds: Seconds = Field(
        default=3600.0,
        description="For a whole transaction up to the end of the message.",
    )
    busy_reply_seconds: Seconds = Field(
        default=30.0,
        description="While 70 % of max_connections are in use: for each reply before the message; less than RFC 5321 "
        "section 4.5.3.2 asks for, so that slow hosts do not stop all others. final_seconds stays as it is.",
    )

    def seconds_for(self, step: Step) -> float:
        """Return the time-out of the reply to `step`; for BODY: until a piece of the message has gone out."""
        match step:
            case Step.GREETING | Step.HELLO | Step.RSET | Step.QUIT:
                return self.greeting_seconds
            case Step.CONNECT:
                return self.connect_seconds
            case Step.STARTTLS:
                return self.tls_seconds
            case Step.AUTH | Step.MAIL | Step.RCPT:
                return self.envelope_seconds
            case Step.DATA:
                return self.data_seconds
            case Step.BODY:
                return self.block_seconds
            case Step.END:
                return self.final_seconds


_BUSY_REPLIES: Final = 10  # so many times `busy_reply_seconds` is the most for all replies before the message


def _never() -> bool:
    return False


class ReplyTimer:
    """The time that is left: for one reply, counted from the one before, and for the whole transaction.

    A server that sends an octet now and then does not get more time for its reply.
    """

    def __init__(
        self,
        timeouts: ReplyTimeouts,
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
            return max(0.0, self._since + self._timeouts.final_seconds - now)
        seconds, total = self._timeouts.seconds_for(step), self._timeouts.transaction_seconds
        if self._busy():
            seconds = min(seconds, self._timeouts.busy_reply_seconds)
            total = (
                total if step is Step.BODY else min(total, _BUSY_REPLIES * self._timeouts.busy_reply_seconds)
            )
        return max(0.0, min(self._since + seconds, self._began + total) - now)

    def for_a_block(self) -> float:
        """Return the seconds for the next octets to be sent."""
        seconds = self._timeouts.block_seconds
        if self._busy():
            seconds = min(seconds, self._timeouts.busy_reply_seconds)
        return max(0.0, min(seconds, self._began + self._timeouts.transaction_seconds - self._clock()))
