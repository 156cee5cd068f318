"""Takes filtered messages from the Local queue and puts them in mailboxes, exactly once: the hot path of delivery.

A batch costs one read of its bodies, one parse of each message, one transaction for at most `batch_messages` copies,
and one update of its rows. A ticket that comes twice finds its delivery keys in place and only ends its row.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from mailyard.broker.events import MailboxEvents
from mailyard.delivery.letter import delivery_key, message_for, row_octets
from mailyard.delivery.parsing import parse_once
from mailyard.delivery.places import Places
from mailyard.delivery.settings import DeliverySettings
from mailyard.mailbox.mailboxes import Mailboxes
from mailyard.mailbox.model import INBOX, JUNK, NewMessage
from mailyard.mailbox.place import MailboxGone, Placed, Placement, place
from mailyard.proto.v1.mailbox_pb2 import MailboxEvent
from mailyard.proto.v1.ticket_pb2 import Action, Recipient, Ticket
from mailyard.runtime.clock import Clock, now_utc, to_ms
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.metrics import counter, histogram
from mailyard.spool.outcome import Outcome, Report, Result
from mailyard.spool.outcomes import Outcomes
from mailyard.spool.putoff import put_off
from mailyard.spool.row import Route
from mailyard.spool.timeline import note
from mailyard.store.blobs import Blobs
from mailyard.store.client import Store

_STAGE = "delivery"
_ROUNDS = 3
_PORTION_OCTETS = 4 * 1024 * 1024


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
        self._places = Places(Mailboxes(store, clock=clock))
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
            )
            placed: dict[str, Placed] = {}
            for portion in _portions(messages, self._settings.batch_messages):
                placed.update(await self._place(portion))
            await self._report(whole, placed)

    async def _place(self, messages: Sequence[tuple[str, NewMessage]]) -> dict[str, Placed]:
        self._batches.observe(len(messages))
        for _ in range(_ROUNDS):
            placements = await self._placements(messages)
            try:
                placed = await place(self._store, placements, clock=self._clock)
            except MailboxGone as error:
                self._places.forget(error.mailboxes)
                continue
            await self._tell(placements, placed)
            return placed
        raise Unavailable("mailboxes are deleted as fast as they are made")

    async def _placements(self, messages: Sequence[tuple[str, NewMessage]]) -> list[Placement]:
        """Look up the mailboxes of a portion, all accounts at the same time."""
        wanted = list({(message.account, kind) for kind, message in messages})
        found = await asyncio.gather(*(self._places.of(account, kind) for account, kind in wanted))
        mailboxes = dict(zip(wanted, found, strict=True))
        return [Placement(mailboxes[message.account, kind], message) for kind, message in messages]

    async def _tell(self, placements: Sequence[Placement], placed: Mapping[str, Placed]) -> None:
        """Wake the sessions that have the mailboxes open, once for each mailbox."""
        events = {
            each.mailbox: MailboxEvent(
                mailbox=str(each.mailbox),
                account=str(each.message.account),
                highest_modseq=placed[each.message.id].modseq,
                uid_next=placed[each.message.id].uid + 1,
                origin=_STAGE,
            )
            for each in placements
            if each.message.id in placed
        }
        await self._events.publish(list(events.values()))

    async def _report(self, tickets: Sequence[Ticket], placed: Mapping[str, Placed]) -> None:
        now = self._clock()
        reports = [_report_of(ticket, placed, now) for ticket in tickets]
        await self._outcomes.report_many(reports)
        for ticket in tickets:
            self._delivered.labels(_kind(ticket)).inc(len(ticket.recipients))
            self._age.observe((to_ms(now) - ticket.accepted_at_ms) / 1000)

    async def _put_off(self, tickets: Sequence[Ticket], text: str) -> None:
        now = self._clock()
        for ticket in tickets:
            note(ticket, now, _STAGE, "message.deferred", text)
        await self._outcomes.report_many(
            [put_off(ticket, Route.LOCAL, now, "4.3.0", text) for ticket in tickets]
        )


def _report_of(ticket: Ticket, placed: Mapping[str, Placed], now: datetime) -> Report:
    note(ticket, now, _STAGE, "message.delivered", f"{len(ticket.recipients)} x {_kind(ticket)}")
    return Report(ticket, {target.index: _outcome(ticket, target, placed) for target in ticket.recipients})


def _outcome(ticket: Ticket, target: Recipient, placed: Mapping[str, Placed]) -> Outcome:
    """Say where the message stands; one that was in place before was delivered by an earlier try."""
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
