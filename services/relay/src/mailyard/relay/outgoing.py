"""The outgoing message of one ticket: its envelopes and its octets, which are added header fields and then the body."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from bson import ObjectId

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.bodyreader import BodyReader
from mailyard.smtp.client import EnvelopeRecipient, TransactionEnvelope
from mailyard.smtp.parameters import BodyType

_HEADER_END = b"\r\n\r\n"
_INTERNAL = re.compile(rb"^X-Mailyard-[^:\r\n]*:.*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE)
"""Header fields that the filter writes for this installation alone; they name its rules."""


class OutgoingMessage:
    """One message to send; recipients are named by their position in the ticket."""

    def __init__(self, ticket: Ticket, bodies: BodyReader) -> None:
        """Read the ticket. Raises ValueError when an address has no form in SMTP."""
        self.recipients = tuple(
            EnvelopeRecipient(to.address, to.notify, to.orcpt) for to in ticket.recipients
        )
        self.head = _INTERNAL.sub(b"", ticket.verdict.header_fields) + ticket.prefix
        self._ticket = ticket
        self._bodies = bodies

    @property
    def tenant(self) -> str:
        """Return the tenant that the message belongs to."""
        return self._ticket.tenant

    @property
    def size(self) -> int:
        """Return the octets of the message."""
        return len(self.head) + self._ticket.size

    async def needs_smtputf8(self) -> bool:
        """Tell whether the message needs SMTPUTF8, which some clients declare without need (RFC 6531 section 3.4).

        Raises BodyMissing and Unavailable.
        """
        if not self._ticket.smtputf8:
            return False
        header = self.head
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:  # a header beyond the first piece is taken for international
                end = piece.find(_HEADER_END)
                return not (header.isascii() and piece[: end if end >= 0 else None].isascii() and end >= 0)
        return not header.isascii()

    def envelope(self, positions: Sequence[int], *, smtputf8: bool) -> TransactionEnvelope:
        """Return the envelope for some of the recipients."""
        return TransactionEnvelope(
            sender=self._ticket.sender,
            recipients=tuple(self.recipients[position] for position in positions),
            size=self.size,
            body=BodyType(self._ticket.body or BodyType.SEVEN_BIT),
            smtputf8=smtputf8,
            ret=self._ticket.ret,
            envid=self._ticket.envid,
        )

    async def content(self) -> AsyncGenerator[bytes, None]:
        """Yield the octets of the message, the head in one piece with the beginning of the body."""
        head = self.head
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                yield head + piece if head else piece
                head = b""
        if head:
            yield head

    def _pieces(self) -> AsyncGenerator[bytes, None]:
        return self._bodies.pieces(ObjectId(self._ticket.blob_id), self._ticket.size)
