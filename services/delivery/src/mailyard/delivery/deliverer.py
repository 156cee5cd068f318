"""Takes filtered messages from the Local queue and puts them in mailboxes, exactly once: the hot path of delivery.

A batch costs one read of its bodies, one parse of each message, one transaction for at most `batch_messages` copies,
and one update of its rows. A ticket that comes twice finds its delivery keys in place and only ends its row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from mailyard.broker.events import MailboxEvents
from mailyard.broker.pipeline import Route
from mailyard.delivery.letter import delivery_key, has_account, message_for, row_octets
from mailyard.delivery.parsing import parse_once
from mailyard.delivery.placing import Placer
from mailyard.delivery.settings import DeliverySettings
from mailyard.mailbox.model import INBOX, JUNK, NewMessage
from mailyard.mailbox.place import Placed
from mailyard.mailbox.portions import Placing
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.runtime.clock import Clock, now_utc, to_ms
from mailyard.runtime.metrics import counter, histogram
from mailyard.spool.outcome import Outcome, Report, Result
from mailyard.spool.queue.deferral import defer
from mailyard.spool.queue.outcomes import Outcomes
from mailyard.spool.timeline import note
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

_STAGE = "delivery"
_PORTION_OCTETS = 4 * 1024 * 1024
_FULL = "452 4.2.2 the mailbox is full"
_BUSY = "451 4.2.0 other changes of the mailbox were first each time"


class Deliverer:
    """Delivers batches of tickets."""

    def __init__(
        self, store: Store, events: MailboxEvents, settings: DeliverySettings, *, clock: Clock = now_utc
    ) -> None:
        self._store = store
        self._events = events
        self._settings = settings
        self._clock = clock
        self._blobs = Blobs(store)
        self._placer = Placer(store, clock=clock)
        self._outcomes = Outcomes(store, clock=clock, durable=False)
        self._delivered = counter("mailyard_delivery_messages_total")
        self._batches = histogram("mailyard_delivery_batch_messages")
        self._age = histogram("mailyard_delivery_age_seconds")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Deliver tickets; when it returns their rows say what became of them.

        Raises:
            Unavailable: the store is away; nothing is lost or doubled by calling again.

        """
        for batch in _batches(tickets, self._settings.batch_messages, self._settings.batch_octets):
            await self._deliver(batch)

    async def poison(self, ticket: Ticket, error: Exception) -> None:
        """Put off a message that made delivery fail, with the reason in its row."""
        await self._put_off([ticket], f"451 4.3.0 internal error in delivery: {error!r}"[:300])

    async def _deliver(self, tickets: Sequence[Ticket]) -> None:
        bodies = await self._blobs.read_many({ObjectId(ticket.blob_id) for ticket in tickets})
        missing = [ticket for ticket in tickets if ObjectId(ticket.blob_id) not in bodies]
        if missing:
            await self._put_off(
                missing, "451 4.3.0 the body is not in the store: restore mail.files and mail.chunks"
            )
        whole = [ticket for ticket in tickets if ObjectId(ticket.blob_id) in bodies]
        if whole:
            parsed = await parse_once(whole, bodies)
            now = self._clock()
            messages = (
                (
                    _kind(ticket),
                    message_for(ticket, target, parse, len(bodies[ObjectId(ticket.blob_id)]), now),
                )
                for ticket, parse in zip(whole, parsed, strict=True)
                for target in ticket.recipients
                if has_account(target)
            )
            placing = Placing()
            for portion in _portions(messages, self._settings.batch_messages):
                placing.add(await self._place(portion))
            await self._report(whole, placing)

    async def _place(self, messages: Sequence[tuple[str, NewMessage]]) -> Placing:
        self._batches.observe(len(messages))
        placing = await self._placer.place(messages)
        await self._tell([message for _, message in messages], placing.placed)
        return placing

    async def _tell(self, messages: Sequence[NewMessage], placed: Mapping[str, Placed]) -> None:
        """Wake the sessions that have the mailboxes open, once for each mailbox."""
        events = {
            place.mailbox: MailboxEvent(
                mailbox=str(place.mailbox),
                account=str(message.account),
                highest_modseq=place.modseq,
                uid_next=place.uid + 1,
                origin=_STAGE,
            )
            for message in messages
            if (place := placed.get(message.id)) is not None
        }
        await self._events.publish(list(events.values()))

    async def _report(self, tickets: Sequence[Ticket], placing: Placing) -> None:
        now = self._clock()
        reports = [_report_of(ticket, placing, now) for ticket in tickets]
        await self._outcomes.report_many(reports)
        for report in reports:
            ended = sum(each.result is Result.DELIVERED for each in report.outcomes.values())
            self._delivered.labels(_kind(report.ticket)).inc(ended)
            if ended:
                self._age.observe((to_ms(now) - report.ticket.accepted_at_ms) / 1000)

    async def _put_off(self, tickets: Sequence[Ticket], text: str) -> None:
        now = self._clock()
        for ticket in tickets:
            note(ticket, now, _STAGE, "message.deferred", text)
        await self._outcomes.report_many(
            [defer(ticket, Route.LOCAL, now, "4.3.0", text) for ticket in tickets]
        )


def _report_of(ticket: Ticket, placing: Placing, now: datetime) -> Report:
    """Report what was delivered, and defer the recipients whose mailboxes took nothing now.

    A full mailbox may have room tomorrow: its mail is deferred like mail for an unreachable host, and returned to the
    sender when the queue lifetime is over (RFC 5321, section 4.5.4.1; RFC 3463, X.2.2).
    """
    keys = {target.index: delivery_key(ticket, target) for target in ticket.recipients}
    full = [index for index, key in keys.items() if key in placing.over_quota]
    busy = [index for index, key in keys.items() if key in placing.busy]
    outcomes = {
        target.index: _outcome(ticket, target, placing.placed)
        for target in ticket.recipients
        if target.index not in {*full, *busy}
    }
    delivered = sum(each.result is Result.DELIVERED for each in outcomes.values())
    if delivered:
        note(ticket, now, _STAGE, "message.delivered", f"{delivered} x {_kind(ticket)}")
    if delivered < len(outcomes):
        note(ticket, now, _STAGE, "message.failed", f"{len(outcomes) - delivered} without a mailbox")
    if not full and not busy:
        return Report(ticket, outcomes)
    status, text = ("4.2.2", _FULL) if full else ("4.2.0", _BUSY)
    counts = ((len(full), _FULL), (len(busy), _BUSY))
    note(
        ticket,
        now,
        _STAGE,
        "message.deferred",
        "; ".join(f"{count} x {why}" for count, why in counts if count),
    )
    return defer(ticket, Route.LOCAL, now, status, text, outcomes=outcomes)


def _outcome(ticket: Ticket, target: Recipient, placed: Mapping[str, Placed]) -> Outcome:
    """Say where the message stands; one that was in place before was delivered by an earlier try."""
    if not has_account(target):
        return Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such mailbox here")
    place_of = placed.get(delivery_key(ticket, target))
    where = f"{_kind(ticket)} UID {place_of.uid}" if place_of else _kind(ticket)
    return Outcome(Result.DELIVERED, "2.1.5", "", where)


def _kind(ticket: Ticket) -> str:
    return JUNK if ticket.verdict.action == Action.ACTION_QUARANTINE else INBOX


def _portions(
    messages: Iterable[tuple[str, NewMessage]], most: int
) -> Iterator[list[tuple[str, NewMessage]]]:
    """Cut messages into portions of one transaction each, bounded in messages and in octets of their rows."""
    portion: list[tuple[str, NewMessage]] = []
    octets = 0
    for kind, message in messages:
        portion.append((kind, message))
        octets += row_octets(message)
        if len(portion) >= most or octets >= _PORTION_OCTETS:
            yield portion
            portion, octets = [], 0
    if portion:
        yield portion


def _batches(tickets: Sequence[Ticket], messages: int, octets: int) -> Iterator[list[Ticket]]:
    """Cut tickets into batches, bounded in messages and in octets of their bodies; a ticket is never cut."""
    batch: list[Ticket] = []
    count = size = 0
    for ticket in tickets:
        more = len(ticket.recipients)
        if batch and (count + more > messages or size + ticket.size > octets):
            yield batch
            batch, count, size = [], 0, 0
        batch.append(ticket)
        count, size = count + more, size + ticket.size
    if batch:
        yield batch
