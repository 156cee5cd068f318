"""From the answers of one attempt to the report for the leg's row: who is done, who failed, who waits. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from mailyard.broker.pipeline import Route
from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.attempt import RecipientAnswer
from mailyard.smtp.client import RecipientResult, Step
from mailyard.smtp.reply import Reply
from mailyard.spool.outcome import Deferral, Outcome, Report, Result
from mailyard.spool.queue.deferral import defer
from mailyard.spool.timeline import append_event

STAGE: Final = "relay"
_MAX_REPLY_TEXT: Final = 500  # characters of a reply that are kept

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

# Before MAIL a failure is about us (our address, our certificate, our password) or the host, not about the mail: it
# waits. 521 is the host that never takes mail (RFC 7504 section 3).
_ABOUT_US: Final = frozenset({Step.GREETING, Step.HELLO, Step.STARTTLS, Step.AUTH})
_NEVER: Final = frozenset({521, 556})


class ReplyClass(Enum):
    """The classes of answers."""

    RELAYED = auto()
    FAILED = auto()
    DEFERRED = auto()


_EVENTS: Final = {
    ReplyClass.RELAYED: "message.relayed",
    ReplyClass.FAILED: "message.failed",
    ReplyClass.DEFERRED: "message.deferred",
}


def reply_class_of(outcome: RecipientResult) -> ReplyClass:
    """Classify the outcome of one attempt for a recipient."""
    if outcome.reply.is_positive:
        return ReplyClass.RELAYED
    if outcome.reply.is_permanent and (outcome.step not in _ABOUT_US or outcome.reply.code in _NEVER):
        return ReplyClass.FAILED
    return ReplyClass.DEFERRED


def conclude(
    ticket: Ticket, answers: Sequence[RecipientAnswer], now: datetime, rng: Callable[[], float]
) -> Report:
    """Return the report of one attempt; adds what happened to the ticket's timeline.

    Args:
        ticket: the leg; `answers` are in the order of its recipients.
        answers: one for each recipient.
        now: the present.
        rng: a number from 0 to 1, for the time of the next try.

    """
    reply_classes = [reply_class_of(answer.outcome) for answer in answers]
    ended = {
        target.index: _outcome(reply_class, answer)
        for target, reply_class, answer in zip(ticket.recipients, reply_classes, answers, strict=True)
        if reply_class is not ReplyClass.DEFERRED
    }
    deferred = [
        answer
        for reply_class, answer in zip(reply_classes, answers, strict=True)
        if reply_class is ReplyClass.DEFERRED
    ]
    report = _defer(ticket, ended, deferred[0], now, rng) if deferred else Report(ticket, ended)
    _note_all(ticket, reply_classes, answers, now, given_up=report.deferral is None)
    return report


def return_to_queue(ticket: Ticket, now: datetime, reason: str) -> Report:
    """Return the report of a leg that another relay should take at once."""
    return Report(ticket, {}, Deferral(now, Route.REMOTE, "4.3.2", reason, tried=False))


def postpone(ticket: Ticket, now: datetime, wait: timedelta, reason: str) -> Report:
    """Return the report of a leg that could not be tried: it comes again after `wait`, until its lifetime is over.

    The timeline gets no entry: a leg may be postponed for days, and its row must not grow.
    """
    report = defer(ticket, Route.REMOTE, now, "4.3.2", reason)
    if report.deferral is None:
        append_event(ticket, now, STAGE, _EVENTS[ReplyClass.FAILED], f"waited for too long: {reason}")
        return report
    return Report(ticket, {}, Deferral(now + wait, Route.REMOTE, "4.3.2", reason, tried=False))


def reply_text(answer: RecipientAnswer) -> str:
    """Return the reply as the sender may read it."""
    said = str(answer.reply) if not answer.outcome.own else answer.reply.text
    text = f"{said} (in reply to {answer.outcome.step.name})" if not answer.outcome.own else said
    return text[:_MAX_REPLY_TEXT].translate(_DECEPTIVE)


def _outcome(reply_class: ReplyClass, answer: RecipientAnswer) -> Outcome:
    result = Result.RELAYED if reply_class is ReplyClass.RELAYED else Result.BOUNCED
    return Outcome(result, _status(answer.reply), reply_text(answer), answer.peer, answer.dsn_passed)


def _defer(
    ticket: Ticket,
    ended: Mapping[int, Outcome],
    first: RecipientAnswer,
    now: datetime,
    rng: Callable[[], float],
) -> Report:
    """Defer the recipients without a final answer, for the reason of the first of them."""
    text = f"{first.peer}: {reply_text(first)}" if first.peer else reply_text(first)
    status = f"4{_status(first.reply)[1:]}"
    return defer(ticket, Route.REMOTE, now, status, text, outcomes=ended, rng=rng)


def _status(reply: Reply) -> str:
    """Return the enhanced status code, or the one that the reply's class stands for (RFC 3463 section 3.1)."""
    return reply.enhanced or f"{reply.code // 100}.0.0"


def _note_all(
    ticket: Ticket,
    reply_classes: Sequence[ReplyClass],
    answers: Sequence[RecipientAnswer],
    now: datetime,
    *,
    given_up: bool,
) -> None:
    """Add one timeline entry for each different answer."""
    for (reply_class, answer), count in Counter(zip(reply_classes, answers, strict=True)).items():
        host = " ".join(part for part in (answer.peer, f"({answer.tls})" if answer.tls else "") if part)
        whom = f"{count} recipients" if count > 1 else "1 recipient"
        event = _EVENTS[ReplyClass.FAILED if given_up and reply_class is ReplyClass.DEFERRED else reply_class]
        append_event(
            ticket, now, STAGE, event, ": ".join(part for part in (whom, host, reply_text(answer)) if part)
        )
