"""Make the message that a mailbox takes: one way for delivery, APPEND, and whatever stores mail later.

The octets are parsed once (`mailyard.message.parse`), also for a message with many recipients: what final delivery puts
before each copy is added here to the parsed message.
"""

from datetime import datetime

from bson import ObjectId

from mailyard.mailbox.model import NewMessage
from mailyard.mailbox.threads import thread_id
from mailyard.message.parse import ParsedMessage


def new_message(
    parsed: ParsedMessage,
    *,
    account: ObjectId,
    blob_id: ObjectId,
    body_size: int,
    internal_date: datetime,
    row_id: str = "",
    trace: bytes = b"",
    prefix: bytes = b"",
    flags: frozenset[str] = frozenset(),
) -> NewMessage:
    """Return a message of `account`, of the octets `trace + prefix + body`.

    Args:
        parsed: `parse_message(prefix, body)`.
        account: the owner.
        blob_id: the body in the blob store.
        body_size: octets of the body.
        internal_date: INTERNALDATE (RFC 3501, section 2.3.3).
        row_id: what makes a delivery idempotent: a message whose row exists is not stored again. Empty: a new id.
        trace: trace fields of final delivery for this copy (RFC 5321, section 4.4).
        prefix: the header fields before the body that all copies have.
        flags: the flags that the message begins with.

    Raises:
        ValueError: `trace` has other octets than trace fields.

    """
    header_index, part_index = (
        parsed.indexes_behind(trace) if trace else (parsed.header_index, parsed.part_index)
    )
    row_id = row_id or str(ObjectId())
    whole_prefix = trace + prefix
    return NewMessage(
        id=row_id,
        account=account,
        prefix=whole_prefix,
        blob_id=blob_id,
        size=len(whole_prefix) + body_size,
        internal_date=internal_date,
        envelope=parsed.envelope,
        bodystructure=parsed.bodystructure,
        imap_body=parsed.imap_body,
        header_index=header_index,
        part_index=part_index,
        thread_id=thread_id(parsed.message_id, parsed.in_reply_to, parsed.references) or row_id,
        flags=flags,
        summary=parsed.summary,
    )


def row_octets(message: NewMessage) -> int:
    """Return about how many octets the row of a message takes."""
    columns = (
        message.prefix,
        message.envelope,
        message.bodystructure,
        message.imap_body,
        message.header_index,
        message.part_index,
    )
    return sum(map(len, columns))
