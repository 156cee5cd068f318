"""Execute the delivery plans of filtered messages: store each copy exactly once, then write the outcomes.

A batch costs one read of its bodies, one parse of each message, one transaction for at most `batch_messages` copies,
and one update of its rows. A ticket that comes twice finds its delivery keys in place and only ends its row.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from mailyard.broker.events import MailboxEvents
from mailyard.broker.pipeline import Queue, stage_of
from mailyard.delivery.generatedmail import GeneratedMail
from mailyard.delivery.mailboxwriter import MailboxWriter
from mailyard.delivery.parsing import parse_once
from mailyard.delivery.plan import (
    NO_MAILBOX,
    DeliveryPlan,
    copies,
    copy_key,
    generated,
    outcome_of,
    plan_for,
    without_loops,
)
from mailyard.delivery.recipientcopy import delivery_key, message_for
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
from mailyard.spool.queue.spool import Spool
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
        spool: Spool,
        settings: DeliverySettings,
        *,
        clock: Clock = now_utc,
    ) -> None:
        self._events = events
        self._generated_mail = GeneratedMail(spool)
        self._settings = settings
        self._clock = clock
        self._blobs = Blobs(store)
        self._writer = MailboxWriter(store, clock=clock)
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
            insertion = InsertionResult()
            for portion in batches(messages, _weigh_copy, self._settings.batch_messages, _PORTION_OCTETS):
                insertion.add(await self._insert(portion))
            await self._generate(planned, insertion)
            await self._report(planned, insertion)

    async def _generate(self, planned: Sequence["_Planned"], insertion: InsertionResult) -> None:
        """Accept the generated mail of each recipient whose copies are stored; all of a batch in few commits."""
        results = await asyncio.gather(
            *(
                self._generated_mail.accept(each.ticket, target, action)
                for each in planned
                for target, plan in zip(each.ticket.recipients, each.plans, strict=True)
                for action in generated(plan)
                if not _not_stored(plan, delivery_key(each.ticket, target), insertion)
            ),
            return_exceptions=True,
        )
        for error in filter(None, results):
            raise error

    async def _insert(self, messages: Sequence[tuple[str, NewMessage]]) -> InsertionResult:
        self._batches.observe(len(messages))
        insertion = await self._writer.insert(messages)
        await self._publish_events([message for _, message in messages], insertion.inserted)
        return insertion

    async def _publish_events(
        self, messages: Sequence[NewMessage], inserted: Mapping[str, InsertedMessage]
    ) -> None:
        """Wake the sessions that have the mailboxes open, once for each mailbox."""
        events = {
            copy.mailbox: MailboxEvent(
                mailbox=str(copy.mailbox),
                account=str(message.account),
                highest_modseq=copy.modseq,
                uid_next=copy.uid + 1,
                origin=_ORIGIN,
            )
            for message in messages
            if (copy := inserted.get(message.id)) is not None
        }
        await self._events.publish(list(events.values()))

    async def _report(self, planned: Sequence["_Planned"], insertion: InsertionResult) -> None:
        now = self._clock()
        reports = [_report_of(each, insertion, now) for each in planned]
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
    if not ObjectId.is_valid(target.account):
        return NO_MAILBOX  # an unknown recipient in a row of 0.2.0
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


def _report_of(planned: _Planned, insertion: InsertionResult, now: datetime) -> Report:
    """Report what was done, and defer the recipients whose mailboxes accepted nothing now.

    A full mailbox may have space tomorrow: its mail is deferred like mail for an unreachable host, and returned to the
    sender when the queue lifetime is over (RFC 5321, section 4.5.4.1; RFC 3463, X.2.2).
    """
    ticket = planned.ticket
    outcomes: dict[int, Outcome] = {}
    waiting: Counter[str] = Counter()
    for target, plan in zip(ticket.recipients, planned.plans, strict=True):
        key = delivery_key(ticket, target)
        if reason := _not_stored(plan, key, insertion):
            waiting[reason] += 1
        else:
            outcomes[target.index] = outcome_of(plan, key, insertion.inserted)
    _append_events(ticket, outcomes.values(), waiting, now)
    if not waiting:
        return Report(ticket, outcomes)
    status, text = ("4.2.2", _FULL) if _FULL in waiting else ("4.2.0", _BUSY)
    return defer(ticket, _STAGE.route, now, status, text, outcomes=outcomes)


def _not_stored(plan: DeliveryPlan, key: str, insertion: InsertionResult) -> str:
    """Return why a copy of a plan was not stored now; empty if all were."""
    if not insertion.over_quota and not insertion.busy:
        return ""
    keys = {copy_key(key, ordinal) for ordinal in range(len(copies(plan)))}
    if keys & insertion.over_quota:
        return _FULL
    return _BUSY if keys & insertion.busy else ""


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
