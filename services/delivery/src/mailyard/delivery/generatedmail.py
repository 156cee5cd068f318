"""Accept the mail that a delivery plan generates, redirected messages and replies, each exactly once.

The dedupe key of a generated message names the delivered message, its recipient and the action. So an attempt that is
repeated after a crash generates nothing again.
"""

import contextlib
from datetime import datetime

from bson import ObjectId

from mailyard.delivery.plan import AutomaticReply, Redirect, delivered_to
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source, TransferringClient
from mailyard.spool.queue.spool import AlreadyAccepted, Spool
from mailyard.store.body import Body


class GeneratedMail:
    """Submits generated mail to the spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def redirect(self, ticket: Ticket, target: Recipient, key: str, action: Redirect) -> None:
        """Send a message on; its body in the store is shared.

        Raises:
            Unavailable: the message was not accepted; call again.

        """
        prefix = delivered_to(target.address) + ticket.prefix
        await self._accept(
            Acceptance(
                sender=ticket.sender,
                recipients=(Recipient(address=action.address, tenant=target.tenant),),
                tenant=target.tenant,
                source=Source.GENERATED,
                client=TransferringClient(),
                body=Body(ObjectId(ticket.blob_id), ticket.size, None),
                prefix=lambda _id, _at: prefix,
                smtputf8=ticket.smtputf8,
                body_type=ticket.body or "7BIT",
                traceparent=ticket.traceparent,
                dedupe_key=f"{key}/redirect/{action.address}",
            )
        )

    async def reply(self, ticket: Ticket, target: Recipient, key: str, action: AutomaticReply) -> None:
        """Send a reply with the null reverse-path; there is none to a message without a sender.

        Raises:
            Unavailable: the reply was not accepted; call again.

        """
        if not ticket.sender:
            return
        writer = self._spool.blobs.writer()
        await writer.write(action.octets)
        await self._accept(
            Acceptance(
                sender="",
                recipients=(Recipient(address=ticket.sender, tenant=target.tenant),),
                tenant=target.tenant,
                source=Source.GENERATED,
                client=TransferringClient(),
                body=await writer.finish(),
                prefix=_no_prefix,
                body_type="7BIT" if action.octets.isascii() else "8BITMIME",
                traceparent=ticket.traceparent,
                dedupe_key=f"{key}/reply/{action.key}",
            )
        )

    async def _accept(self, acceptance: Acceptance) -> None:
        with contextlib.suppress(AlreadyAccepted):  # an earlier attempt generated it
            await self._spool.accept(acceptance)


def _no_prefix(_spool_id: str, _at: datetime) -> bytes:
    return b""
