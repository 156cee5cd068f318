"""From a ticket and its body to messages that a mailbox can take: pure."""

from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.threads import thread_id
from mailyard.message.parse import parse_message
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket


def delivery_key(ticket: Ticket, target: Recipient) -> str:
    """Return what makes this delivery this one: the message and whose mailbox it goes to, never its Message-ID."""
    return f"{target.account}:{ticket.spool_id}"


def has_account(target: Recipient) -> bool:
    """Return whether a target has a mailbox to go to: an unknown recipient of a row of 0.2.0 has none."""
    return ObjectId.is_valid(target.account)


def message_for(ticket: Ticket, target: Recipient, body: bytes, now: datetime) -> NewMessage:
    """Make the message that `target` gets."""
    prefix = final_prefix(ticket, target)
    parsed = parse_message(prefix, body)
    return NewMessage(
        id=delivery_key(ticket, target),
        account=ObjectId(target.account),
        prefix=prefix,
        blob_id=ObjectId(ticket.blob_id),
        size=len(prefix) + len(body),
        internal_date=now,
        envelope=parsed.envelope,
        bodystructure=parsed.bodystructure,
        body=parsed.body,
        header_index=parsed.header_index,
        part_index=parsed.part_index,
        thread_id=thread_id(parsed.message_id, parsed.in_reply_to, parsed.references),
    )


def final_prefix(ticket: Ticket, target: Recipient) -> bytes:
    """Put what final delivery adds before what the stages added.

    Return-Path first (RFC 5321, section 4.4), Delivered-To (RFC 9228), the verdict's fields, then the trace.
    """
    return b"".join(
        (
            b"Return-Path: <",
            ticket.sender.encode(),
            b">\r\nDelivered-To: ",
            target.address.encode(),
            b"\r\n",
            ticket.verdict.header_fields,
            ticket.prefix,
        )
    )
