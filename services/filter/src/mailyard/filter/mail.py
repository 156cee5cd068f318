"""A message as checks see it: its envelope at once, its content decoded when a check asks for it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property

from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import Field, header_end, scan_fields
from mailyard.message.text import LeafPart, leaf_parts
from mailyard.proto.v1.ticket_pb2 import Ticket

_MAX_FIELDS = 1000


class Direction(StrEnum):
    """Which queue the message stands in."""

    LOCAL = "local"
    REMOTE = "remote"


class Need(IntEnum):
    """How much of the message a check must see; more includes less."""

    ENVELOPE = 0
    HEADER = 1
    CONTENT = 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the ticket says without the body."""

    sender: str
    recipients: tuple[str, ...]
    tenant: str
    direction: Direction
    size: int  # octets of prefix and body


def envelope_of(ticket: Ticket, direction: Direction) -> Envelope:
    """Read the envelope of a ticket."""
    return Envelope(
        sender=ticket.sender,
        recipients=tuple(recipient.address for recipient in ticket.recipients),
        tenant=ticket.tenant,
        direction=direction,
        size=len(ticket.prefix) + ticket.size,
    )


@dataclass(frozen=True)
class Mail:
    """A message under inspection. `start` is its body from the front, as far as `seen` says and limits allow."""

    envelope: Envelope
    prefix: bytes = b""
    start: bytes = b""
    seen: Need = Need.CONTENT

    def header_values(self, name: bytes) -> list[str]:
        """The values of all fields of a (lower-case) name, unfolded and decoded."""
        return [decode_words(field.value) for field in self._fields if field.name == name]

    @cached_property
    def texts(self) -> list[str]:
        """The text parts, decoded; what stands before the first part of a multipart is not one."""
        return [part.text for part in self._parts if part.part.content_type.type == b"text"]

    @property
    def attachment_names(self) -> list[str]:
        """The names of parts that have one."""
        return [part.name for part in self._parts if part.name]

    @property
    def attachment_types(self) -> list[str]:
        """The media types of parts that are attachments."""
        return [part.media_type for part in self._parts if part.is_attachment]

    @cached_property
    def _fields(self) -> list[Field]:
        header = self.start[: header_end(self.start, 0, len(self.start))]
        return scan_fields(self.prefix + header, _MAX_FIELDS)

    @cached_property
    def _parts(self) -> list[LeafPart]:
        return list(leaf_parts(self.prefix, self.start))
