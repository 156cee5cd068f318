"""Accept the mail that a delivery plan generates, redirected messages and replies, each exactly once.

The dedupe key of a generated message names the delivered message, its recipient and the action. So an attempt that is
repeated after a crash generates nothing again.
"""

import contextlib

from bson import ObjectId

from mailyard.delivery.plan import AutomaticReply, Generated, Redirect
from mailyard.delivery.recipientcopy import delivered_to, delivery_key
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.spool.acceptance import Acceptance, Source
from mailyard.spool.queue.spool import AlreadyAccepted, Spool
from mailyard.store.body import Body


class GeneratedMail:
    """Submits generated mail to the spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def accept(self, ticket: Ticket, target: Recipient, action: Generated) -> None:
        """Accept the message of an action that is executed for one recipient of a ticket.

        Raises:
            Unavailable: the message was not accepted; call again.

        """
        match action:
            case Redirect():
                acceptance = _redirected(ticket, target, action)
            case AutomaticReply():
                if not ticket.sender:
                    return  # the null reverse-path gets no reply (RFC 3834, section 2)
                acceptance = await self._reply(ticket, target, action)
        with contextlib.suppress(AlreadyAccepted):  # an earlier attempt generated it
            await self._spool.accept(acceptance)

    async def _reply(self, ticket: Ticket, target: Recipient, action: AutomaticReply) -> Acceptance:
        writer = self._spool.blobs.writer()
        await writer.write(action.octets)
        return Acceptance(
            sender="",
            recipients=(Recipient(address=ticket.sender, tenant=target.tenant),),
            tenant=target.tenant,
            source=Source.GENERATED,
            body=await writer.finish(),
            body_type="7BIT" if action.octets.isascii() else "8BITMIME",
            traceparent=ticket.traceparent,
            dedupe_key=f"{delivery_key(ticket, target)}/reply/{action.key}",
        )


def _redirected(ticket: Ticket, target: Recipient, action: Redirect) -> Acceptance:
    """Return the message for its new address; its body in the store is shared."""
    prefix = delivered_to(target.address) + ticket.prefix
    return Acceptance(
        sender=ticket.sender,
        recipients=(Recipient(address=action.address, tenant=target.tenant),),
        tenant=target.tenant,
        source=Source.GENERATED,
        body=Body(ObjectId(ticket.blob_id), ticket.size, None),
        prefix=lambda _id, _at: prefix,
        smtputf8=ticket.smtputf8,
        body_type=ticket.body or "7BIT",
        traceparent=ticket.traceparent,
        dedupe_key=f"{delivery_key(ticket, target)}/redirect/{action.address}",
    )
