"""From a ticket and its body to the messages that mailboxes take: pure."""

from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.factory import new_message
from mailyard.mailbox.model import NewMessage
from mailyard.message.parse import ParsedMessage
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket


def delivery_key(ticket: Ticket, target: Recipient) -> str:
    """Return what identifies a delivery: the account and the spool id, never the Message-ID."""
    return f"{target.account}:{ticket.spool_id}"


def message_for(
    ticket: Ticket, target: Recipient, parsed: ParsedMessage, body_octets: int, now: datetime
) -> NewMessage:
    """Return the message for `target`. `parsed` is the message behind `common_prefix`; recipients share it."""
    return new_message(
        parsed,
        account=ObjectId(target.account),
        blob_id=ObjectId(ticket.blob_id),
        body_size=body_octets,
        internal_date=now,
        row_id=delivery_key(ticket, target),
        trace=trace_fields(ticket, target),
        prefix=common_prefix(ticket),
    )


def trace_fields(ticket: Ticket, target: Recipient) -> bytes:
    """Return what final delivery puts first: Return-Path (RFC 5321, section 4.4) and Delivered-To."""
    return b"Return-Path: <%b>\r\n%b" % (ticket.sender.encode(), delivered_to(target.address))


def delivered_to(address: str) -> bytes:
    """Return the field that marks a message as delivered to an address (RFC 9228)."""
    return b"Delivered-To: %b\r\n" % address.encode()


def common_prefix(ticket: Ticket) -> bytes:
    """Return the fields before the body for all recipients: the verdict's fields, then those of earlier stages."""
    return ticket.verdict.header_fields + ticket.prefix
