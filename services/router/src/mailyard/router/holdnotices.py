"""Tell the contact of a tenant, and a webhook, that mail of an account, domain or tenant is held.

smtp-in marks the sender (`mailyard.directory.sending.rows`). A router claims the mark for a while, so that two routers tell
nobody twice. The mail has a dedupe key, so a notice that is repeated after a crash makes no second mail; a webhook gets
the same key in a header field. Without a contact the mail goes to the postmaster of the installation.
"""

import contextlib
from datetime import timedelta
from typing import Final

from mailyard.directory.sending.rows import Hold, SendingRow, SendingRows, SubjectKind
from mailyard.directory.tenants import Tenants
from mailyard.message.dates import rfc5322_date
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.router.settings import RouterSettings
from mailyard.router.webhook import WebhookFailed
from mailyard.runtime.clock import Clock, now_utc
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import counter
from mailyard.spool.acceptance import Acceptance, Source
from mailyard.spool.queue.spool import AlreadyAccepted, Spool
from mailyard.store.client import Store

MOST_TRIES: Final = 12
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_log = get_logger(__name__)


class HoldNotices:
    """Periodic work of every router."""

    def __init__(
        self, store: Store, spool: Spool, settings: RouterSettings, *, clock: Clock = now_utc
    ) -> None:
        self._rows = SendingRows(store)
        self._tenants = Tenants(store)
        self._spool = spool
        self._settings = settings
        self._webhook = settings.hold_webhook()
        self._clock = clock
        self._told = counter("mailyard_router_hold_notices_total")

    async def work(self) -> bool:
        """Tell of one hold; return whether there may be more. Raises Unavailable; the hold is claimed again then."""
        now = self._clock()
        claimed = await self._rows.entry_to_notify(now, now + _FIRST_PAUSE)
        if claimed is None:
            return False
        row, tries = claimed
        if row.hold is None:  # it was decided meanwhile
            return True
        key = f"held/{row.sender.key}/{int(row.hold.since.timestamp() * 1000)}"
        await self._send(row, row.hold, key)
        try:
            await self._call(row, row.hold, key)
        except WebhookFailed as error:
            given_up = tries + 1 >= MOST_TRIES
            self._told.labels("given_up" if given_up else "retried").inc()
            _log.warning("hold.notice_failed", subject=key, given_up=given_up, error=str(error))
            if not given_up:
                await self._rows.notify_again(row, now + min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))
                return True
        else:
            self._told.labels("told").inc()
            _log.info("hold.noticed", subject=key, tenant=row.sender.tenant)
        await self._rows.notified(row)
        return True

    async def _call(self, row: SendingRow, hold: Hold, key: str) -> None:
        if self._webhook is not None:
            sender = row.sender
            value = {
                "event": "mail.held",
                "subject": sender.kind.value,
                "name": sender.address or sender.name,
                "tenant": sender.tenant,
                "reason": hold.reason,
                "since": hold.since.isoformat(timespec="seconds").replace("+00:00", "Z"),
                "host": self._settings.hostname,
            }
            await self._webhook.call(value, key, self._clock())

    async def _send(self, row: SendingRow, hold: Hold, key: str) -> None:
        tenant = await self._tenants.get(row.sender.tenant)
        contact = tenant.contact if tenant is not None else None
        address = str(contact) if contact is not None else self._settings.postmaster
        if not address:
            return
        octets = _notice(row, hold, address, self._settings.hostname, key)
        writer = self._spool.blobs.writer()
        await writer.write(octets)
        acceptance = Acceptance(
            sender="",
            recipients=(Recipient(address=address, tenant=row.sender.tenant),),
            tenant=row.sender.tenant,
            source=Source.GENERATED,
            body=await writer.finish(),
            smtputf8=not octets.isascii(),
            body_type="7BIT" if octets.isascii() else "8BITMIME",
            dedupe_key=key,
        )
        with contextlib.suppress(AlreadyAccepted):  # an earlier try got this far
            await self._spool.accept(acceptance)


def _notice(row: SendingRow, hold: Hold, address: str, host: str, key: str) -> bytes:
    sender = row.sender
    is_account = sender.kind is SubjectKind.ACCOUNT
    name = sender.address if is_account else f"{sender.kind} {sender.name}"
    what = (
        f"All mail that {name} submits is held from now on: it is stored, and it is not sent."
        if is_account
        else f"Mail of the {name} beyond the limit is held: it is stored, and it is not sent."
    )
    whose = name if is_account else f"--tenant {sender.tenant}"
    lines = (
        f"From: Mail system <postmaster@{host}>",
        f"To: <{address}>",
        f"Subject: Mail of {name} is held",
        f"Date: {rfc5322_date(hold.since).decode()}",
        f"Message-ID: <{key.replace('/', '.')}@{host}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        what,
        "",
        f"Reason: {hold.reason}",
        "",
        "If the account was stolen, ask your provider to discard the held mail and to suspend the account;",
        "if the mail is wanted, ask for its release. The commands are:",
        "",
        f"    mailyard held list --tenant {sender.tenant}",
        f"    mailyard held release {whose}",
        f"    mailyard held discard {whose}{' --block' if is_account else ''} --yes",
        "",
    )
    return "\r\n".join(lines).encode()
