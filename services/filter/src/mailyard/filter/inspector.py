"""Takes tickets of one direction, has their messages judged, and sends them on: the hot path of the filter.

A batch costs at most one read of small bodies, one update of the rows that end here, and one publish.
"""

from collections.abc import Iterator, Mapping, Sequence

from bson import ObjectId

from mailyard.broker.publisher import TicketPublisher
from mailyard.broker.topology import Queue
from mailyard.filter.contents import Contents, Wish
from mailyard.filter.endings import STAGE, Endings, is_end
from mailyard.filter.mail import Direction, Envelope, Need, envelope_of, mail_of
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.verdict import action_word, describe
from mailyard.message.defects import Defect
from mailyard.proto.v1.ticket_pb2 import Ticket, Verdict
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.spool.timeline import note

_log = get_logger(__name__)
INCOMING = {Direction.LOCAL: Queue.LOCAL_FILTER, Direction.REMOTE: Queue.REMOTE_FILTER}
_ONWARD = {Direction.LOCAL: Queue.LOCAL_DELIVER, Direction.REMOTE: Queue.REMOTE_SEND}
_BODY_MISSING = "451 4.3.0 the body is not in the store: restore mail.files and mail.chunks"
_FILTERED = "message.filtered"


class Inspector:
    """Filters batches of tickets of one direction."""

    def __init__(
        self,
        direction: Direction,
        pipeline: Pipeline,
        contents: Contents,
        endings: Endings,
        publisher: TicketPublisher,
        *,
        batch_octets: int,
        clock: Clock = now_utc,
    ) -> None:
        self._direction = direction
        self._pipeline = pipeline
        self._contents = contents
        self._endings = endings
        self._publisher = publisher
        self._batch_octets = batch_octets
        self._clock = clock
        self._messages = counter("mailyard_filter_messages_total")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Filter tickets, which it changes; when it returns they stand in the next queue, or their rows say why not.

        Raises:
            Unavailable: the store or the broker is unreachable; call again with the tickets as they were.

        """
        for batch in self._batches(tickets):
            await self._filter(batch)

    async def poison(self, ticket: Ticket, error: Exception) -> None:
        """Put off a message that made the filter fail, with the reason in its row."""
        text = f"451 4.3.0 internal error in the filter: {error!r}"[:300]
        await self._endings.put_off([ticket], self._direction, self._clock(), text)

    def _batches(self, tickets: Sequence[Ticket]) -> Iterator[list[tuple[Ticket, Envelope, Need]]]:
        """Cut tickets into batches, bounded in octets that are in memory together."""
        batch: list[tuple[Ticket, Envelope, Need]] = []
        held = 0
        for ticket in tickets:
            envelope = envelope_of(ticket, self._direction)
            need = self._pipeline.needs(envelope)
            octets = self._contents.octets(ticket.size, need)
            if batch and held + octets > self._batch_octets:
                yield batch
                batch, held = [], 0
            batch.append((ticket, envelope, need))
            held += octets
        if batch:
            yield batch

    async def _filter(self, batch: Sequence[tuple[Ticket, Envelope, Need]]) -> None:
        bodies = await self._read(batch)
        present, missing, mails = [], [], []
        for ticket, envelope, need in batch:
            start = b"" if need is Need.ENVELOPE else bodies.get(ObjectId(ticket.blob_id))
            if start is None:
                missing.append(ticket)
            else:
                present.append(ticket)
                mails.append(mail_of(ticket, envelope, start, need, self._contents.stream))
        if missing:
            await self._endings.put_off(missing, self._direction, self._clock(), _BODY_MISSING)
        if present:
            await self._conclude(present, await self._pipeline.judge(mails))

    async def _read(self, batch: Sequence[tuple[Ticket, Envelope, Need]]) -> Mapping[ObjectId, bytes]:
        wishes = [
            Wish(ObjectId(ticket.blob_id), ticket.size, need)
            for ticket, _, need in batch
            if need is not Need.ENVELOPE
        ]
        return await self._contents.read(wishes) if wishes else {}

    async def _conclude(self, tickets: Sequence[Ticket], judged: Sequence[Verdict | Unavailable]) -> None:
        """Defer messages about which a check could not say anything; send on, or end, the others."""
        sent, verdicts = [], []
        failed: dict[str, list[Ticket]] = {}
        for ticket, result in zip(tickets, judged, strict=True):
            if isinstance(result, Unavailable):
                failed.setdefault(f"451 4.3.0 {result}"[:300], []).append(ticket)
            else:
                sent.append(ticket)
                verdicts.append(result)
        for text, waiting in failed.items():
            await self._endings.put_off(waiting, self._direction, self._clock(), text)
        if sent:
            await self._send(sent, verdicts)

    async def _send(self, tickets: Sequence[Ticket], verdicts: Sequence[Verdict]) -> None:
        """Write down the verdicts; end the rows of some messages, then send the others on."""
        now = self._clock()
        for ticket, verdict in zip(tickets, verdicts, strict=True):
            ticket.verdict.CopyFrom(verdict)
            note(ticket, now, STAGE, _FILTERED, describe(verdict))
            if cut := [name for name in verdict.defects if Defect(name).is_cut]:
                _log.info("filter.incomplete", spool_id=ticket.spool_id, leg=ticket.leg, defects=cut)
        ended = [ticket for ticket in tickets if is_end(ticket)]
        if ended:
            await self._endings.end(ended, now)
        onward = [ticket for ticket in tickets if not is_end(ticket)] if ended else tickets
        await self._publisher.publish(_ONWARD[self._direction], onward)
        for ticket in tickets:
            self._messages.labels(self._direction, action_word(ticket.verdict.action)).inc()
