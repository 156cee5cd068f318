"""From a ticket and its body to messages that a mailbox can take: pure."""

from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.threads import thread_id
from mailyard.message.parse import ParsedMessage
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket


def delivery_key(ticket: Ticket, target: Recipient) -> str:
    """Return what makes this delivery this one: the message and whose mailbox it goes to, never its Message-ID."""
    return f"{target.account}:{ticket.spool_id}"


def has_account(target: Recipient) -> bool:
    """Return whether a target has a mailbox to go to: an unknown recipient of a row of 0.2.0 has none."""
    return ObjectId.is_valid(target.account)


def message_for(
    ticket: Ticket, target: Recipient, parsed: ParsedMessage, body_octets: int, now: datetime
) -> NewMessage:
    """Make the message that `target` gets. `parsed` is the message behind `common_prefix`; recipients share it."""
    trace = trace_fields(ticket, target)
    prefix = trace + common_prefix(ticket)
    indexes = parsed.indexes_behind(trace)
    return NewMessage(
        id=delivery_key(ticket, target),
        account=ObjectId(target.account),
        prefix=prefix,
        blob_id=ObjectId(ticket.blob_id),
        size=len(prefix) + body_octets,
        internal_date=now,
        envelope=parsed.envelope,
        bodystructure=parsed.bodystructure,
        body=parsed.body,
        header_index=indexes.header_index,
        part_index=indexes.part_index,
        thread_id=thread_id(parsed.message_id, parsed.in_reply_to, parsed.references),
    )


def trace_fields(ticket: Ticket, target: Recipient) -> bytes:
    """What final delivery puts first: Return-Path (RFC 5321, section 4.4) and Delivered-To (RFC 9228)."""
    return b"Return-Path: <%b>\r\nDelivered-To: %b\r\n" % (ticket.sender.encode(), target.address.encode())


def common_prefix(ticket: Ticket) -> bytes:
    """What stands before the body for all recipients: the verdict's fields, then what earlier stages added."""
    return ticket.verdict.header_fields + ticket.prefix


def row_octets(message: NewMessage) -> int:
    """How many octets the columns of the message's row take."""
    columns = (
        message.prefix,
        message.envelope,
        message.bodystructure,
        message.body,
        message.header_index,
        message.part_index,
    )
    return sum(map(len, columns))
