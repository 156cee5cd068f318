"""Tells senders of failures: the one place that bounces (RFC 3464)."""

from datetime import datetime
from uuid import uuid4

from mailyard.message.bounce import compose_bounce
from mailyard.message.deliverystatus import Outcome, RecipientReport, Report
from mailyard.proto.v1.ticket_pb2 import MailClass, Recipient
from mailyard.router.settings import RouterSettings
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.metrics import counter
from mailyard.spool.acceptance import Acceptance, Client, Source
from mailyard.spool.bounces import Bounces, DueBounce, Failure
from mailyard.spool.spool import AlreadyAccepted, Spool
from mailyard.store.blobs import BodyMissing
from mailyard.store.client import Store

_LIMIT = 50
_HEADER_OCTETS = 64 * 1024


class Bouncer:
    """Makes bounces for the rows that say so."""

    def __init__(
        self, store: Store, spool: Spool, settings: RouterSettings, *, clock: Clock = now_utc
    ) -> None:
        self._bounces = Bounces(store)
        self._spool = spool
        self._settings = settings
        self._clock = clock
        self._made = counter("mailyard_router_bounces_total")

    async def work(self) -> bool:
        """Make the bounces that are due; say whether there may be more."""
        due = await self._bounces.claim(self._clock(), _LIMIT)
        for bounce in due:
            await self._tell(bounce)
            await self._bounces.settle(bounce)
        return len(due) == _LIMIT

    async def _tell(self, bounce: DueBounce) -> None:
        """Accept one bounce into the spool; none when nobody wants it."""
        row = bounce.row
        whole = row["size"] <= self._settings.bounce_headers_only_octets
        notification = compose_bounce(
            Report(
                sender=row["sender"],
                recipients=[_recipient(failure) for failure in bounce.failures.values()],
                host=self._settings.hostname,
                message_id=f"<{uuid4().hex}@{self._settings.hostname}>",
                boundary=f"bounce-{uuid4().hex}",
                now=self._clock(),
                arrived_at=row["accepted_at"],
                original=await self._original(bounce, whole=whole),
                original_is_whole=whole,
                ret=row.get("ret", ""),
                envid=row.get("envid", ""),
            )
        )
        if notification is None:
            return
        writer = self._spool.blobs.writer()
        await writer.write(notification.octets)
        acceptance = Acceptance(
            sender="",
            recipients=(Recipient(address=row["sender"], tenant=row["tenant"]),),
            tenant=row["tenant"],
            source=Source.BOUNCE,
            client=Client(),
            body=await writer.finish(),
            prefix=_no_prefix,
            smtputf8=notification.needs_smtputf8,
            body_type="8BITMIME" if notification.is_8bit else "7BIT",
            mail_class=MailClass.MAIL_CLASS_NORMAL,
            bounce_of=bounce.key,
        )
        try:
            await self._spool.accept(acceptance)
            self._made.inc()
        except AlreadyAccepted:
            return  # an earlier try got this far

    async def _original(self, bounce: DueBounce, *, whole: bool) -> bytes:
        """Return the message as it was, or its beginning; only what we added when its body is lost."""
        row = bounce.row
        end = row["size"] if whole else min(row["size"], _HEADER_OCTETS)
        prefix = bytes(row["prefix"])
        try:
            return prefix + await self._spool.blobs.read_range(row["blob"], 0, end)
        except BodyMissing:
            return prefix


def _recipient(failure: Failure) -> RecipientReport:
    return RecipientReport(
        address=failure.address,
        outcome=Outcome.FAILED,
        status=failure.status,
        diagnostic=failure.text,
        notify=failure.notify,
        orcpt=failure.orcpt,
        remote_mta=failure.place,
        last_attempt=failure.at,
    )


def _no_prefix(_spool_id: str, _at: datetime) -> bytes:
    return b""
