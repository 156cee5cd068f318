"""Compute when to try again (RFC 5321, section 4.5.4.1): pure functions of the clock and a random number."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.proto.v1.ticket_pb2 import MailClass, Ticket
from mailyard.runtime.clock import from_ms


@dataclass(frozen=True, slots=True)
class Schedule:
    """First waits as given, then each wait is `factor` times the one before, up to `longest`; all jittered."""

    first: tuple[timedelta, ...]
    factor: float
    longest: timedelta
    lifetime: timedelta
    jitter: float = 0.2  # a wait is drawn evenly from its length plus or minus this share

    def wait(self, attempt: int) -> timedelta:
        """Return the wait after try number `attempt` (from 0), before jitter."""
        if attempt < len(self.first):
            return self.first[attempt]
        later = attempt - len(self.first) + 1
        # Twenty doublings are longer than any wait; the limit keeps the product within a timedelta.
        return min(self.first[-1] * self.factor ** min(later, 20), self.longest)


_MINUTE = timedelta(minutes=1)

SCHEDULES: dict[int, Schedule] = {
    MailClass.MAIL_CLASS_URGENT: Schedule(
        (_MINUTE / 2, _MINUTE, 2 * _MINUTE, 5 * _MINUTE), 2.0, timedelta(hours=1), timedelta(days=2)
    ),
    MailClass.MAIL_CLASS_NORMAL: Schedule(
        (_MINUTE, 3 * _MINUTE, 7 * _MINUTE, 15 * _MINUTE), 2.0, timedelta(hours=4), timedelta(days=5)
    ),
    MailClass.MAIL_CLASS_BULK: Schedule(
        (5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE), 2.0, timedelta(hours=6), timedelta(days=3)
    ),
}


def next_due(ticket: Ticket, now: datetime, rng: Callable[[], float]) -> datetime | None:
    """Return when the ticket's leg is due again, or None when its lifetime in the queue has passed.

    Args:
        ticket: what has just failed for now.
        now: the present.
        rng: returns a number from 0 to 1.

    """
    schedule = SCHEDULES.get(ticket.mail_class, SCHEDULES[MailClass.MAIL_CLASS_NORMAL])
    if now - from_ms(ticket.accepted_at_ms) >= schedule.lifetime:
        return None
    spread = 1 + schedule.jitter * (2 * rng() - 1)
    return now + schedule.wait(ticket.attempt) * spread
