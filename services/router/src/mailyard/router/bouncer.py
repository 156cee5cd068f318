"""Reports to senders: the one place that makes them (RFC 3461, RFC 3464).

Rows are claimed and settled in batches; the reports between are accepted together. A row that raises holds up no other one: it is
tried again when its claim ends, and given up after `MOST_TRIES` tries. Mail without a sender that fails is a double bounce: it is logged
and counted, and goes to the postmaster if there is one, never further.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

from bson import ObjectId

from mailyard.message.bounce import compose_bounce
from mailyard.message.deliverystatus import Outcome, RecipientReport, Report
from mailyard.proto.v1.ticket_pb2 import Recipient, TimelineEntry
from mailyard.router.notices import (
    delayed_recipients_of,
    is_double_bounce,
    postmaster_key,
    recipients_of,
)
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc, to_ms
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.spool.acceptance import Acceptance, Client, Source
from mailyard.spool.bounces import Bounces, DueReport
from mailyard.spool.delays import Delays, DueDelay
from mailyard.spool.spool import AlreadyAccepted, Spool
from mailyard.store.blobs import BodyMissing
from mailyard.store.client import Row, Store

MOST_TRIES: Final = 5
_LIMIT: Final = 100  # rows of one batch
_HEADER_OCTETS: Final = 64 * 1024
_LARGE_AT_ONCE: Final = 4  # messages beyond _HEADER_OCTETS in memory

_NEXT: Final = {True: "given_up", False: "retried"}

_log = get_logger(__name__)
T = TypeVar("T")


class Bouncer:
    """Makes the reports that rows say are due."""

    def __init__(
        self, store: Store, spool: Spool, settings: RouterSettings, *, clock: Clock = now_utc
    ) -> None:
        self._bounces = Bounces(store)
        self._delays = Delays(store)
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._made = counter("mailyard_router_bounces_total")
        self._reports = counter("mailyard_router_reports_total")
        self._failures = counter("mailyard_router_report_failures_total")
        for known in _NEXT.values():  # a counter that begins with its first failure hides it from increase()
            self._failures.labels(known)
        self._double = counter("mailyard_router_double_bounces_total")

    async def work(self) -> bool:
        """Make the reports that are due; say whether there may be more.

        Raises:
            Unavailable: the store is unreachable; what was not settled is claimed again.

        """
        due = await self._bounces.claim(self._clock(), _LIMIT)
        bodies = await self._small_bodies([each.row for each in due])
        told, missed = await _each([self._tell(each, bodies) for each in due])
        steps = {due[number].key: entries for number, entries in told.items()}
        for number, error in missed.items():
            if not isinstance(error, Unavailable) and self._note_failure(due[number], error):
                given_up = f"given up after {due[number].tries} tries: {error!r}"[:300]
                steps[due[number].key] = [self._step("message.report_failed", given_up)]
        await self._bounces.settle([each for each in due if each.key in steps], self._clock(), steps)
        _raise_unavailable(missed)
        return len(due) == _LIMIT

    async def report_delays(self) -> bool:
        """Tell senders of mail that is late; say whether there may be more.

        A report that cannot be made is logged and not tried again: the mail itself still ends in a report.

        Raises:
            Unavailable: the store is unreachable; what was not settled is claimed again.

        """
        hours = self._settings.delay_report_hours
        if not hours:
            return False
        due = await self._delays.claim(self._clock(), timedelta(hours=hours), _LIMIT)
        bodies = await self._small_bodies([each.row for each in due])
        _, missed = await _each([self._tell_delay(each, bodies) for each in due])
        for number, error in missed.items():
            if not isinstance(error, Unavailable):
                self._log_failure(due[number].row, error, given_up=True)
        unavailable = {number for number, error in missed.items() if isinstance(error, Unavailable)}
        await self._delays.settle([each for number, each in enumerate(due) if number not in unavailable])
        _raise_unavailable(missed)
        return len(due) == _LIMIT

    async def _tell(self, due: DueReport, bodies: Mapping[ObjectId, bytes]) -> list[TimelineEntry]:
        """Make one report; return what to note in the timeline of its row."""
        row, recipients = due.row, recipients_of(due)
        if is_double_bounce(due):
            return await self._double_bounce(due, recipients, bodies)
        spool_id = await self._send(due.key, row["sender"], row, recipients, bodies)
        if spool_id is None:
            return []
        failed = any(recipient.outcome is Outcome.FAILED for recipient in recipients)
        self._made.inc(failed and bool(spool_id))
        event = "message.bounced" if failed else "message.reported"
        return [self._step(event, f"report {spool_id}" if spool_id else "the report was made before")]

    async def _double_bounce(
        self, due: DueReport, recipients: Sequence[RecipientReport], bodies: Mapping[ObjectId, bytes]
    ) -> list[TimelineEntry]:
        copy = await self._copy_for_postmaster(due, recipients, bodies)
        self._double.inc()
        _log.warning(
            "bounce.double",
            spool_id=due.row["_id"],
            tenant=due.row["tenant"],
            recipients=len(recipients),
            status=recipients[0].status,
        )
        failure = f"not delivered, and there is no sender to report it to: {recipients[0].diagnostic}"[:200]
        return [self._step("message.double_bounced", f"{failure}; {copy}")]

    async def _copy_for_postmaster(
        self, due: DueReport, recipients: Sequence[RecipientReport], bodies: Mapping[ObjectId, bytes]
    ) -> str:
        """Send the postmaster a report with the whole message; say what was done."""
        key = postmaster_key(due)
        postmaster = self._settings.double_bounce_recipient or self._settings.postmaster
        if key is None:
            return "it was the postmaster's copy of another one, so no report follows"
        if not postmaster:
            return "no postmaster is set, so no report was made"
        spool_id = await self._send(key, postmaster, {**due.row, "ret": "FULL"}, recipients, bodies)
        if spool_id is None:
            return "no report was made, because NOTIFY asks for none"
        return f"report {spool_id} went to {postmaster}" if spool_id else f"{postmaster} got a report before"

    async def _tell_delay(self, due: DueDelay, bodies: Mapping[ObjectId, bytes]) -> None:
        await self._send(due.key, due.row["sender"], due.row, delayed_recipients_of(due), bodies)

    async def _send(
        self,
        key: str,
        whom: str,
        row: Row,
        recipients: Sequence[RecipientReport],
        bodies: Mapping[ObjectId, bytes],
    ) -> str | None:
        """Accept a report into the spool; return its spool id, "" if it was there, None if nobody wants it."""
        if row["blob"] in bodies:
            return await self._accept(key, whom, row, recipients, bodies[row["blob"]])
        async with self._large:
            return await self._accept(key, whom, row, recipients, await self._large_original(row))

    async def _accept(
        self, key: str, whom: str, row: Row, recipients: Sequence[RecipientReport], original: bytes
    ) -> str | None:
        notification = compose_bounce(
            Report(
                sender=whom,
                recipients=recipients,
                host=self._settings.hostname,
                message_id=f"<{uuid4().hex}@{self._settings.hostname}>",
                boundary=f"report-{uuid4().hex}",
                now=self._clock(),
                arrived_at=row["accepted_at"],
                original=bytes(row["prefix"]) + original,
                original_is_whole=len(original) == row["size"] and self._may_return_whole(row),
                ret=row.get("ret", ""),
                envid=row.get("envid", ""),
            )
        )
        if notification is None:
            return None
        writer = self._spool.blobs.writer()
        await writer.write(notification.octets)
        acceptance = Acceptance(
            sender="",
            recipients=(Recipient(address=whom, tenant=row["tenant"]),),
            tenant=row["tenant"],
            source=Source.GENERATED,
            client=Client(),
            body=await writer.finish(),
            prefix=_no_prefix,
            smtputf8=notification.needs_smtputf8,
            body_type="8BITMIME" if notification.is_8bit else "7BIT",
            bounce_of=key,
        )
        try:
            spool_id = await self._spool.accept(acceptance)
        except AlreadyAccepted:
            return ""  # an earlier try got this far
        for recipient in (each for each in recipients if each.wanted):
            self._reports.labels(recipient.outcome).inc()
        return spool_id

    def _may_return_whole(self, row: Row) -> bool:
        size: int = row["size"]
        return size <= self._settings.bounce_headers_only_octets

    async def _small_bodies(self, rows: Sequence[Row]) -> dict[ObjectId, bytes]:
        """Read the small bodies of all rows together; one that is lost is empty."""
        small = {row["blob"] for row in rows if row["size"] <= _HEADER_OCTETS}
        found = await self._spool.blobs.read_many(small) if small else {}
        return dict.fromkeys(small, b"") | found

    async def _large_original(self, row: Row) -> bytes:
        """Read a body, or its beginning where only the header section is returned; nothing when it is lost."""
        whole = row.get("ret", "").upper() == "FULL" and self._may_return_whole(row)
        try:
            return await self._spool.blobs.read_range(
                row["blob"], 0, row["size"] if whole else _HEADER_OCTETS
            )
        except BodyMissing:
            return b""

    def _note_failure(self, due: DueReport, error: BaseException) -> bool:
        """Log that a report could not be made; return whether it is given up."""
        given_up = due.tries >= MOST_TRIES
        self._log_failure(due.row, error, given_up=given_up)
        return given_up

    def _log_failure(self, row: Row, error: BaseException, *, given_up: bool) -> None:
        self._failures.labels(_NEXT[given_up]).inc()
        _log.error("bounce.failed", spool_id=row["_id"], given_up=given_up, error=repr(error), exc_info=error)

    def _step(self, event: str, detail: str) -> TimelineEntry:
        return TimelineEntry(at_ms=to_ms(self._clock()), stage="router", event=event, detail=detail)


async def _each(steps: Sequence[Awaitable[T]]) -> tuple[dict[int, T], dict[int, BaseException]]:
    """Do all steps at once; return results and errors by position."""
    ended = await asyncio.gather(*steps, return_exceptions=True)
    results = {number: end for number, end in enumerate(ended) if not isinstance(end, BaseException)}
    return results, {number: end for number, end in enumerate(ended) if isinstance(end, BaseException)}


def _raise_unavailable(errors: Mapping[int, BaseException]) -> None:
    for error in errors.values():
        if isinstance(error, Unavailable) or not isinstance(error, Exception):
            raise error


def _no_prefix(_spool_id: str, _at: datetime) -> bytes:
    return b""
