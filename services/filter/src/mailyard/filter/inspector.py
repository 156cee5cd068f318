"""Filter tickets of one queue: read what the checks need, get the verdicts, and publish to the next queue.

A batch costs at most one read of small bodies, one update of the rows that end here, and one publish.
"""

from collections.abc import Sequence

from bson import ObjectId

from mailyard.broker.pipeline import successor
from mailyard.broker.publisher import TicketPublisher
from mailyard.filter.contents import ContentReader, Wish
from mailyard.filter.endings import STAGE, ended, is_end
from mailyard.filter.mail import MailEnvelope, Need, envelope_of, mail_of
from mailyard.filter.pipeline import Pipeline
from mailyard.filter.verdict import action_word, describe
from mailyard.message.defects import Defect
from mailyard.proto.v1.ticket_pb2 import Ticket, Verdict
from mailyard.runtime.batches import UNBOUNDED, batches
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.spool.queue.stage import StageReports
from mailyard.spool.timeline import append_event

_log = get_logger(__name__)
_FILTERED = "message.filtered"
_REASON_CHARACTERS = 300
_Wanted = tuple[Ticket, MailEnvelope, Need]  # a ticket, and how much of its message the checks must see


class Inspector:
    """The handler of one queue of the filter."""

    def __init__(
        self,
        reports: StageReports,
        pipeline: Pipeline,
        contents: ContentReader,
        publisher: TicketPublisher,
        *,
        batch_octets: int,
        clock: Clock = now_utc,
    ) -> None:
        self._reports = reports
        self._direction = reports.stage.route
        self._onward = successor(reports.stage.queue)
        self.poison = reports.poison
        self._pipeline = pipeline
        self._contents = contents
        self._publisher = publisher
        self._batch_octets = batch_octets
        self._clock = clock
        self._messages = counter("mailyard_filter_messages_total")

    async def handle(self, tickets: Sequence[Ticket]) -> None:
        """Filter tickets and change them; on return they are in the next queue, or their rows say why not.

        Raises:
            Unavailable: the store or the broker is unreachable; call again with the tickets as they were.

        """
        wanted = (self._wanted(ticket) for ticket in tickets)
        for batch in batches(wanted, self._weigh, UNBOUNDED, self._batch_octets):
            await self._filter(batch)

    def _wanted(self, ticket: Ticket) -> _Wanted:
        envelope = envelope_of(ticket, self._direction)
        return ticket, envelope, self._pipeline.needs(envelope)

    def _weigh(self, wanted: _Wanted) -> tuple[int, int]:
        """Return the octets of a body that are read; those of a batch are in memory together."""
        ticket, _, need = wanted
        return 1, self._contents.octets(ticket.size, need)

    async def _filter(self, batch: Sequence[_Wanted]) -> None:
        bodies = await self._contents.read(
            [
                Wish(ObjectId(ticket.blob_id), ticket.size, need)
                for ticket, _, need in batch
                if need is not Need.ENVELOPE
            ]
        )
        present, missing, mails = [], [], []
        for ticket, envelope, need in batch:
            start = b"" if need is Need.ENVELOPE else bodies.get(ObjectId(ticket.blob_id))
            if start is None:
                missing.append(ticket)
            else:
                present.append(ticket)
                mails.append(mail_of(ticket, envelope, start, need, self._contents.stream))
        if missing:
            await self._reports.defer_without_body(missing)
        if present:
            await self._conclude(present, await self._pipeline.judge(mails))

    async def _conclude(self, tickets: Sequence[Ticket], judged: Sequence[Verdict | Unavailable]) -> None:
        """Defer messages about which a check could not say anything; send on, or end, the others."""
        sent, verdicts = [], []
        failed: dict[str, list[Ticket]] = {}
        for ticket, result in zip(tickets, judged, strict=True):
            if isinstance(result, Unavailable):
                failed.setdefault(f"451 4.3.0 {result}"[:_REASON_CHARACTERS], []).append(ticket)
            else:
                sent.append(ticket)
                verdicts.append(result)
        for text, waiting in failed.items():
            await self._reports.defer(waiting, text)
        if sent:
            await self._send(sent, verdicts)

    async def _send(self, tickets: Sequence[Ticket], verdicts: Sequence[Verdict]) -> None:
        """Put the verdicts into the tickets; end the rows of some messages, then publish the others."""
        now = self._clock()
        for ticket, verdict in zip(tickets, verdicts, strict=True):
            ticket.verdict.CopyFrom(verdict)
            append_event(ticket, now, STAGE, _FILTERED, describe(verdict))
            if cut := [name for name in verdict.defects if Defect(name).is_cut]:
                _log.info("filter.incomplete", spool_id=ticket.spool_id, leg=ticket.leg, defects=cut)
        reports = [ended(ticket, now) for ticket in tickets if is_end(ticket)]
        if reports:
            await self._reports.write(reports)
        onward = [ticket for ticket in tickets if not is_end(ticket)] if reports else tickets
        await self._publisher.publish(self._onward, onward)
        for ticket in tickets:
            self._messages.labels(self._direction, action_word(ticket.verdict.action)).inc()
