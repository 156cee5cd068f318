"""From the answers of one attempt to the report for the leg's row: who is done, who failed, who waits. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.attempt import Answer
from mailyard.smtp.client import Outcome as SmtpOutcome
from mailyard.smtp.client import Step
from mailyard.smtp.reply import Reply
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.deferral import defer
from mailyard.spool.timeline import append_event

STAGE: Final = "relay"
_MAX_WORDS: Final = 500  # characters of a reply that are kept

# Characters of a reply that must not reach logs, reports and terminals, besides the control characters that
# `parse_reply` replaces: line separators, marks of text direction, invisible tags.
_DECEPTIVE: Final = dict.fromkeys(
    (
        0x061C,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
        *range(0xE0000, 0xE0080),
    ),
    "?",
)

# Before MAIL a refusal is about us (our address, our certificate, our password) or the host, not about the mail: it
# waits. 521 is the host that never takes mail (RFC 7504 section 3).
_ABOUT_US: Final = frozenset({Step.GREETING, Step.HELLO, Step.STARTTLS, Step.AUTH})
_NEVER: Final = frozenset({521, 556})


class Fate(Enum):
    """What an answer means."""

    RELAYED = auto()
    FAILED = auto()
    DEFERRED = auto()


_EVENTS: Final = {
    Fate.RELAYED: "message.relayed",
    Fate.FAILED: "message.failed",
    Fate.DEFERRED: "message.deferred",
}


def fate_of(outcome: SmtpOutcome) -> Fate:
    """What becomes of a recipient by one try."""
    if outcome.reply.is_positive:
        return Fate.RELAYED
    if outcome.reply.is_permanent and (outcome.step not in _ABOUT_US or outcome.reply.code in _NEVER):
        return Fate.FAILED
    return Fate.DEFERRED


def conclude(ticket: Ticket, answers: Sequence[Answer], now: datetime, dice: Callable[[], float]) -> Report:
    """The report of one attempt; adds what happened to the ticket's timeline.

    Args:
        ticket: the leg; `answers` are in the order of its recipients.
        answers: one for each recipient.
        now: the present.
        dice: a number from 0 to 1, for the time of the next try.

    """
    fates = [fate_of(answer.outcome) for answer in answers]
    ended = {
        target.index: _outcome(fate, answer)
        for target, fate, answer in zip(ticket.recipients, fates, answers, strict=True)
        if fate is not Fate.DEFERRED
    }
    deferred = [answer for fate, answer in zip(fates, answers, strict=True) if fate is Fate.DEFERRED]
    report = _put_off(ticket, ended, deferred[0], now, dice) if deferred else Report(ticket, ended)
    _note_all(ticket, fates, answers, now, given_up=report.deferral is None)
    return report


def give_back(ticket: Ticket, now: datetime, reason: str) -> Report:
    """The report of a leg that another relay should take at once."""
    return Report(ticket, {}, Deferral(now, Route.REMOTE, "4.3.2", reason, tried=False))


def postpone(ticket: Ticket, now: datetime, wait: timedelta, reason: str) -> Report:
    """The report of a leg that could not be tried: it comes again after `wait`, until its lifetime is over.

    The timeline gets no entry: a leg may be postponed for days, and its row must not grow.
    """
    report = defer(ticket, Route.REMOTE, now, "4.3.2", reason)
    if report.deferral is None:
        append_event(ticket, now, STAGE, _EVENTS[Fate.FAILED], f"waited for too long: {reason}")
        return report
    return Report(ticket, {}, Deferral(now + wait, Route.REMOTE, "4.3.2", reason, tried=False))


def words(answer: Answer) -> str:
    """The answer as the sender may read it."""
    said = str(answer.reply) if not answer.outcome.own else answer.reply.text
    text = f"{said} (in reply to {answer.outcome.step.name})" if not answer.outcome.own else said
    return text[:_MAX_WORDS].translate(_DECEPTIVE)


def _outcome(fate: Fate, answer: Answer) -> Outcome:
    result = Result.RELAYED if fate is Fate.RELAYED else Result.BOUNCED
    return Outcome(result, _status(answer.reply), words(answer), answer.place, answer.dsn_passed)


def _put_off(
    ticket: Ticket, ended: Mapping[int, Outcome], first: Answer, now: datetime, dice: Callable[[], float]
) -> Report:
    """Those without an end wait, for the reason of the first of them."""
    text = f"{first.place}: {words(first)}" if first.place else words(first)
    status = f"4{_status(first.reply)[1:]}"
    return defer(ticket, Route.REMOTE, now, status, text, outcomes=ended, rng=dice)


def _status(reply: Reply) -> str:
    """The enhanced status code, or the one that the reply's class stands for (RFC 3463 section 3.1)."""
    return reply.enhanced or f"{reply.code // 100}.0.0"


def _note_all(
    ticket: Ticket, fates: Sequence[Fate], answers: Sequence[Answer], now: datetime, *, given_up: bool
) -> None:
    """One line for each different answer."""
    for (fate, answer), count in Counter(zip(fates, answers, strict=True)).items():
        host = " ".join(part for part in (answer.place, f"({answer.tls})" if answer.tls else "") if part)
        whom = f"{count} recipients" if count > 1 else "1 recipient"
        event = _EVENTS[Fate.FAILED if given_up and fate is Fate.DEFERRED else fate]
        append_event(
            ticket, now, STAGE, event, ": ".join(part for part in (whom, host, words(answer)) if part)
        )
