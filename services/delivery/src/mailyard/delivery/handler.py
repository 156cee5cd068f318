"""Execute the delivery plans of filtered messages: store each copy exactly once, then write the outcomes.

A batch costs one read of its bodies, one parse of each message, one transaction for at most `batch_messages` copies,
and one update of its rows. A ticket that comes twice finds its delivery keys in place and only ends its row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from mailyard.broker.events import MailboxEvents
from mailyard.broker.pipeline import Queue, stage_of
from mailyard.delivery.generatedmail import GeneratedMail
from mailyard.delivery.parsing import parse_once
from mailyard.delivery.placing import Placer
from mailyard.delivery.plan import (
    NO_MAILBOX,
    AutomaticReply,
    DeliveryPlan,
    Redirect,
    copies,
    copy_key,
    generated,
    outcome_of,
    plan_for,
    without_loops,
)
from mailyard.delivery.recipientcopy import delivery_key, has_account, message_for
from mailyard.delivery.settings import DeliverySettings
from mailyard.imap.wellknown import INBOX
from mailyard.mailbox.bulkinsertion import InsertionResult
from mailyard.mailbox.factory import row_octets
from mailyard.mailbox.insertion import InsertedMessage
from mailyard.mailbox.model import JUNK, NewMessage
from mailyard.message.parse import ParsedMessage
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.runtime.batches import batches
from mailyard.runtime.clock import Clock, now_utc, to_ms
from mailyard.runtime.metrics import counter, histogram
from mailyard.spool.outcome import Outcome, Report, Result
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.queue.stage import StageReports
from mailyard.spool.timeline import append_event
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

_STAGE = stage_of(Queue.LOCAL_DELIVER)
_ORIGIN = _STAGE.service
_PORTION_OCTETS = 4 * 1024 * 1024
_FULL = "452 4.2.2 the mailbox is full"
_BUSY = "451 4.2.0 other changes of the mailbox were first each time"
_EVENTS = {
    Result.DELIVERED: "message.delivered",
    Result.QUARANTINED: "message.delivered",
    Result.REDIRECTED: "message.redirected",
    Result.DISCARDED: "message.discarded",
    Result.BOUNCED: "message.failed",
}
_KIND_OF = {Result.DELIVERED: INBOX, Result.QUARANTINED: JUNK}


class DeliveryHandler:
    """The handler of the queue of delivery."""

    def __init__(
        self,
        store: Store,
        events: MailboxEvents,
        settings: DeliverySettings,
        *,
        generated_mail: GeneratedMail | None = None,
        clock: Clock = now_utc,
    ) -> None:
        """`generated_mail` is needed for plans that redirect or reply; no verdict leads to such a plan."""
        self._events = events
        self._generated_mail = generated_mail
        self._settings = settings
        self._clock = clock
        self._blobs = Blobs(store)
        self._placer = Placer(store, clock=clock)
        self._reports = StageReports(_STAGE, Outcomes(store, clock=clock, durable=False), clock=clock)
        self.poison = self._reports.poison
        self._delivered = counter("mailyard_delivery_messages_total")
        self._batches = histogram("mailyard_delivery_batch_messages")
        self._age = histogram("mailyard_delivery_age_seconds")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Deliver tickets; on return their rows have the outcomes.

        Raises:
            Unavailable: the store is unreachable; nothing is lost or doubled by calling again.

        """
        for batch in batches(tickets, _weigh, self._settings.batch_messages, self._settings.batch_octets):
            await self._deliver(batch)

    async def _deliver(self, tickets: Sequence[Ticket]) -> None:
        bodies = await self._blobs.read_many({ObjectId(ticket.blob_id) for ticket in tickets})
        missing = [ticket for ticket in tickets if ObjectId(ticket.blob_id) not in bodies]
        if missing:
            await self._reports.defer_without_body(missing)
        whole = [ticket for ticket in tickets if ObjectId(ticket.blob_id) in bodies]
        if whole:
            parsed = await parse_once(whole, bodies)
            now = self._clock()
            planned = [
                _Planned(ticket, [_plan(ticket, each) for each in ticket.recipients]) for ticket in whole
            ]
            messages = (
                copy
                for each, parse in zip(planned, parsed, strict=True)
                for copy in _copies(each, parse, len(bodies[ObjectId(each.ticket.blob_id)]), now)
            )
            placing = InsertionResult()
            for portion in batches(messages, _weigh_copy, self._settings.batch_messages, _PORTION_OCTETS):
                placing.add(await self._place(portion))
            for each in planned:
                await self._generate(each, placing)
            await self._report(planned, placing)

    async def _generate(self, planned: "_Planned", placing: InsertionResult) -> None:
        """Send the generated mail of each recipient whose copies are stored."""
        ticket = planned.ticket
        for target, plan in zip(ticket.recipients, planned.plans, strict=True):
            for action in generated(plan):
                key = delivery_key(ticket, target)
                if _not_stored(plan, key, placing):
                    break
                if self._generated_mail is None:
                    raise RuntimeError("delivery is not set up to generate mail")
                match action:
                    case Redirect():
                        await self._generated_mail.redirect(ticket, target, key, action)
                    case AutomaticReply():
                        await self._generated_mail.reply(ticket, target, key, action)

    async def _place(self, messages: Sequence[tuple[str, NewMessage]]) -> InsertionResult:
        self._batches.observe(len(messages))
        placing = await self._placer.place(messages)
        await self._publish_events([message for _, message in messages], placing.inserted)
        return placing

    async def _publish_events(
        self, messages: Sequence[NewMessage], placed: Mapping[str, InsertedMessage]
    ) -> None:
        """Wake the sessions that have the mailboxes open, once for each mailbox."""
        events = {
            place.mailbox: MailboxEvent(
                mailbox=str(place.mailbox),
                account=str(message.account),
                highest_modseq=place.modseq,
                uid_next=place.uid + 1,
                origin=_ORIGIN,
            )
            for message in messages
            if (place := placed.get(message.id)) is not None
        }
        await self._events.publish(list(events.values()))

    async def _report(self, planned: Sequence["_Planned"], placing: InsertionResult) -> None:
        now = self._clock()
        reports = [_report_of(each, placing, now) for each in planned]
        await self._reports.write(reports)
        for report in reports:
            stored = _stored(report)
            for kind, count in stored.items():
                self._delivered.labels(kind).inc(count)
            if stored:
                self._age.observe((to_ms(now) - report.ticket.accepted_at_ms) / 1000)


class _Planned(NamedTuple):
    """A ticket with the plan of each of its recipients, in their order."""

    ticket: Ticket
    plans: Sequence[DeliveryPlan]


def _plan(ticket: Ticket, target: Recipient) -> DeliveryPlan:
    if not has_account(target):
        return NO_MAILBOX
    return without_loops(plan_for(ticket.verdict), ticket.prefix, target.address)


def _copies(
    planned: _Planned, parsed: ParsedMessage, body_octets: int, now: datetime
) -> Iterator[tuple[str, NewMessage]]:
    """Make the copies of a message, each with the kind of its mailbox."""
    ticket = planned.ticket
    for target, plan in zip(ticket.recipients, planned.plans, strict=True):
        stored = copies(plan)
        if stored:
            message = message_for(ticket, target, parsed, body_octets, now)
            yield stored[0].kind, replace(message, flags=stored[0].flags) if stored[0].flags else message
        for ordinal, each in enumerate(stored[1:], start=1):
            yield each.kind, replace(message, id=copy_key(message.id, ordinal), flags=each.flags)


def _report_of(planned: _Planned, placing: InsertionResult, now: datetime) -> Report:
    """Report what was done, and defer the recipients whose mailboxes accepted nothing now.

    A full mailbox may have space tomorrow: its mail is deferred like mail for an unreachable host, and returned to the
    sender when the queue lifetime is over (RFC 5321, section 4.5.4.1; RFC 3463, X.2.2).
    """
    ticket = planned.ticket
    outcomes: dict[int, Outcome] = {}
    waiting: Counter[str] = Counter()
    for target, plan in zip(ticket.recipients, planned.plans, strict=True):
        key = delivery_key(ticket, target)
        if reason := _not_stored(plan, key, placing):
            waiting[reason] += 1
        else:
            outcomes[target.index] = outcome_of(plan, key, placing.inserted)
    _append_events(ticket, outcomes.values(), waiting, now)
    if not waiting:
        return Report(ticket, outcomes)
    status, text = ("4.2.2", _FULL) if _FULL in waiting else ("4.2.0", _BUSY)
    return defer(ticket, _STAGE.route, now, status, text, outcomes=outcomes)


def _not_stored(plan: DeliveryPlan, key: str, placing: InsertionResult) -> str:
    """Return why a copy of a plan was not stored now; empty if all were."""
    if not placing.over_quota and not placing.busy:
        return ""
    keys = {copy_key(key, ordinal) for ordinal in range(len(copies(plan)))}
    if keys & placing.over_quota:
        return _FULL
    return _BUSY if keys & placing.busy else ""


def _append_events(
    ticket: Ticket, outcomes: Iterable[Outcome], waiting: Mapping[str, int], now: datetime
) -> None:
    """Append one event for each kind of end to the timeline of a ticket."""
    details: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        what = _KIND_OF.get(outcome.result) or outcome.text or outcome.place
        details[_EVENTS[outcome.result]][what] += 1
    if waiting:
        details["message.deferred"].update(waiting)
    for event, counts in details.items():
        text = "; ".join(f"{count} x {what}" for what, count in counts.items())
        append_event(ticket, now, _STAGE.service, event, text)


def _stored(report: Report) -> Counter[str]:
    """Count the recipients that got a copy, by the kind of mailbox."""
    results = (outcome.result for outcome in report.outcomes.values())
    return Counter(_KIND_OF[result] for result in results if result in _KIND_OF)


def _weigh(ticket: Ticket) -> tuple[int, int]:
    return len(ticket.recipients), ticket.size


def _weigh_copy(copy: tuple[str, NewMessage]) -> tuple[int, int]:
    return 1, row_octets(copy[1])
