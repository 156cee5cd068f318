"""Make the reports to senders, bounces and delivery status notifications (RFC 3461, RFC 3464); nothing else does.

Rows are claimed and settled in batches; the reports of a batch are accepted together. A row whose report raises delays no other
row: it is repeated when its claim ends, and abandoned after `MOST_TRIES` attempts. Mail without a sender that fails is a double
bounce: it is logged and counted, and a copy goes to the postmaster if one is set; a copy that fails ends there.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar
from uuid import uuid4

from bson import ObjectId

from mailyard.message.bounce import compose_bounce
from mailyard.message.deliverystatus import DeliveryReport, DsnAction, RecipientReport
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
from mailyard.spool.acceptance import Acceptance, Source
from mailyard.spool.queue.bounces import Bounces, DueReport
from mailyard.spool.queue.delays import Delays, DueDelay
from mailyard.spool.queue.spool import AlreadyAccepted, Spool
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
    """Makes the reports that are due."""

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
        """Make the reports that are due; return whether more may be due.

        Raises:
            Unavailable: the store is unreachable; what was not settled is claimed again.

        """
        due = await self._bounces.claim(self._clock(), _LIMIT)
        bodies = await self._small_bodies([each.row for each in due])
        made, missed = await _each([self._report(each, bodies) for each in due])
        steps = {due[number].key: entries for number, entries in made.items()}
        for number, error in missed.items():
            if isinstance(error, Unavailable):
                continue
            each = due[number]
            given_up = each.tries >= MOST_TRIES
            self._log_failure(each.row, error, given_up=given_up)
            if given_up:
                detail = f"given up after {each.tries} tries: {error!r}"[:300]
                steps[each.key] = [self._step("message.report_failed", detail)]
        await self._bounces.settle([each for each in due if each.key in steps], self._clock(), steps)
        _raise_unavailable(missed)
        return len(due) == _LIMIT

    async def report_delays(self) -> bool:
        """Report delayed mail to the senders; return whether more may be due.

        A report that cannot be made is logged and not repeated: the mail itself still ends with a report.

        Raises:
            Unavailable: the store is unreachable; what was not settled is claimed again.

        """
        hours = self._settings.delay_report_hours
        if not hours:
            return False
        due = await self._delays.claim(self._clock(), timedelta(hours=hours), _LIMIT)
        bodies = await self._small_bodies([each.row for each in due])
        _, missed = await _each([self._report_delay(each, bodies) for each in due])
        for number, error in missed.items():
            if not isinstance(error, Unavailable):
                self._log_failure(due[number].row, error, given_up=True)
        unavailable = {number for number, error in missed.items() if isinstance(error, Unavailable)}
        await self._delays.settle([each for number, each in enumerate(due) if number not in unavailable])
        _raise_unavailable(missed)
        return len(due) == _LIMIT

    async def _report(self, due: DueReport, bodies: Mapping[ObjectId, bytes]) -> list[TimelineEntry]:
        """Make one report; return the events for the timeline of its row."""
        row, recipients = due.row, recipients_of(due)
        if is_double_bounce(due):
            return await self._double_bounce(due, recipients, bodies)
        spool_id = await self._send(due.key, row["sender"], row, recipients, bodies)
        if spool_id is None:
            return []
        failed = any(recipient.outcome is DsnAction.FAILED for recipient in recipients)
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
        """Send the postmaster a report with the whole message; return a description for the timeline."""
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

    async def _report_delay(self, due: DueDelay, bodies: Mapping[ObjectId, bytes]) -> None:
        await self._send(due.key, due.row["sender"], due.row, delayed_recipients_of(due), bodies)

    async def _send(
        self,
        key: str,
        address: str,
        row: Row,
        recipients: Sequence[RecipientReport],
        bodies: Mapping[ObjectId, bytes],
    ) -> str | None:
        """Accept a report into the spool; return its spool id, "" if it was accepted before, None if none is wanted."""
        if row["blob"] in bodies:
            return await self._accept(key, address, row, recipients, bodies[row["blob"]])
        async with self._large:
            return await self._accept(key, address, row, recipients, await self._large_original(row))

    async def _accept(
        self, key: str, address: str, row: Row, recipients: Sequence[RecipientReport], original: bytes
    ) -> str | None:
        notification = compose_bounce(
            DeliveryReport(
                sender=address,
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
            recipients=(Recipient(address=address, tenant=row["tenant"]),),
            tenant=row["tenant"],
            source=Source.GENERATED,
            body=await writer.finish(),
            smtputf8=notification.needs_smtputf8,
            body_type="8BITMIME" if notification.is_8bit else "7BIT",
            dedupe_key=key,
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
        """Read the small bodies of all rows together; a missing body is empty."""
        small = {row["blob"] for row in rows if row["size"] <= _HEADER_OCTETS}
        found = await self._spool.blobs.read_many(small) if small else {}
        return dict.fromkeys(small, b"") | found

    async def _large_original(self, row: Row) -> bytes:
        """Read a body, or its beginning where only the header section is returned; nothing if it is missing."""
        whole = row.get("ret", "").upper() == "FULL" and self._may_return_whole(row)
        try:
            return await self._spool.blobs.read_range(
                row["blob"], 0, row["size"] if whole else _HEADER_OCTETS
            )
        except BodyMissing:
            return b""

    def _log_failure(self, row: Row, error: BaseException, *, given_up: bool) -> None:
        self._failures.labels(_NEXT[given_up]).inc()
        _log.error("bounce.failed", spool_id=row["_id"], given_up=given_up, error=repr(error), exc_info=error)

    def _step(self, event: str, detail: str) -> TimelineEntry:
        return TimelineEntry(at_ms=to_ms(self._clock()), stage="router", event=event, detail=detail)


async def _each(steps: Sequence[Awaitable[T]]) -> tuple[dict[int, T], dict[int, BaseException]]:
    """Run all steps at the same time; return results and errors by position."""
    ended = await asyncio.gather(*steps, return_exceptions=True)
    results = {number: end for number, end in enumerate(ended) if not isinstance(end, BaseException)}
    return results, {number: end for number, end in enumerate(ended) if isinstance(end, BaseException)}


def _raise_unavailable(errors: Mapping[int, BaseException]) -> None:
    for error in errors.values():
        if isinstance(error, Unavailable) or not isinstance(error, Exception):
            raise error
