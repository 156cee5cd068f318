"""A message as checks see it: its envelope at once, its content decoded when a check asks for it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, partial

from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.message.defects import NONE, Defect
from mailyard.message.encodedwords import decode_words
from mailyard.message.fields import Field, header_end, scan_fields
from mailyard.message.headertext import address_texts
from mailyard.message.inside import InspectedMessage, look_inside_every_way
from mailyard.proto.v1.ticket_pb2 import Origin, Ticket
from mailyard.spool.finding import Finding, finding_of
from mailyard.spool.origin import origin_of

_MAX_FIELDS = 8000
_ONLY_ONCE = (b"from", b"sender", b"reply-to", b"subject", b"date", b"message-id")  # RFC 5322, section 3.6

_ADDRESS_FIELDS = frozenset(
    prefix + name
    for prefix in (b"", b"resent-")
    for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
)


class Need(IntEnum):
    """How much of the message a check must see; more includes less."""

    ENVELOPE = 0
    HEADER = 1  # up to the first 64 KiB, or the whole header section within the filter's limit on bodies
    CONTENT = 2  # the body from its start, up to the filter's limit
    WHOLE = 3  # all octets, by `Mail.octets`, however many they are


@dataclass(frozen=True, slots=True)
class MailEnvelope:
    """The envelope of a message, as its ticket has it."""

    sender: str
    recipients: tuple[str, ...]
    tenant: str
    direction: Route
    size: int  # octets of prefix and body
    origin: Origin = field(default_factory=Origin)


def envelope_of(ticket: Ticket, direction: Route) -> MailEnvelope:
    """Read the envelope of a ticket."""
    return MailEnvelope(
        sender=ticket.sender,
        recipients=tuple(recipient.address for recipient in ticket.recipients),
        tenant=ticket.tenant,
        direction=direction,
        size=len(ticket.prefix) + ticket.size,
        origin=origin_of(ticket),
    )


BodyReader = Callable[[ObjectId], AsyncIterator[bytes]]
"""Reads a body from the store, in order and in pieces of at most a chunk; raises Unavailable."""


@dataclass(frozen=True)
class Mail:
    """A message under inspection. `start` is its body from the front, as far as `seen` says and limits allow.

    `findings` are those of the SMTP dialogue and of the checks before; only the pipeline adds to them.
    """

    envelope: MailEnvelope
    prefix: bytes = b""
    start: bytes = b""
    seen: Need = Need.CONTENT
    is_cut: bool = False  # `start` is less than what `seen` asks for
    noted: set[Defect] = field(default_factory=set, compare=False)  # what checks found beside the parser
    findings: list[Finding] = field(default_factory=list, compare=False)
    body: Callable[[], AsyncIterator[bytes]] | None = (
        None  # reads all of the body; None: `start` is all of it
    )

    async def octets(self) -> AsyncIterator[bytes]:
        """Give all octets of the message, prefix first, in pieces; for checks that need the WHOLE.

        Raises:
            Unavailable: the store is unreachable, or does not have the body.

        """
        yield self.prefix
        if self.body is None:
            yield self.start
        else:
            async for piece in self.body():
                yield piece

    def header_values(self, name: bytes) -> list[str]:
        """Return the values of all fields of a lower-case name, unfolded and decoded; then their addresses as clients show them."""
        values = [field.value for field in self._fields if field.name == name]
        texts = [decode_words(value) for value in values]
        if name in _ADDRESS_FIELDS:
            texts += (text for value in values for text in address_texts(value))
        return texts

    @property
    def texts(self) -> Iterator[str]:
        """The text parts, decoded in each way that mail readers decode them; decoded again at each use."""
        return (text for leaf in self._contents.leaves for text in leaf.texts)

    @property
    def attachment_names(self) -> list[str]:
        """The file names of parts: every name that some mail reader takes."""
        return [name for leaf in self._contents.leaves for name in leaf.names]

    @property
    def attachment_types(self) -> list[str]:
        """The media types of parts that are attachments."""
        return [leaf.media_type for leaf in self._contents.leaves if leaf.is_attachment]

    @property
    def defects(self) -> frozenset[Defect]:
        """The defects of the message, as far as it was seen."""
        if self.seen is Need.ENVELOPE:
            return NONE
        content = self._content_defects if self.seen >= Need.CONTENT else NONE
        return self._header_defects | content | self.noted

    @property
    def is_incomplete(self) -> bool:
        """Whether a part that was asked for could not be examined."""
        return any(defect.is_cut for defect in self.defects)

    @cached_property
    def noted_defects(self) -> frozenset[Defect]:
        """The defects of the fields and texts that checks examined; a message that no check opened has none.

        The first use is after the checks and may be expensive.
        """
        header = self._header_defects if "_fields" in self.__dict__ else NONE
        if "_contents" not in self.__dict__:
            return header | self.noted
        texts = [leaf.defects for leaf in self._contents.leaves if leaf.is_text]
        cut = (Defect.CONTENT_CUT,) if self.is_cut else ()
        return header.union(self._contents.defects, self.noted, cut, *texts)

    @cached_property
    def _header_defects(self) -> frozenset[Defect]:
        names = [field.name for field in self._fields]
        found = []
        if len(names) >= _MAX_FIELDS:
            found.append(Defect.TOO_MANY_FIELDS)
        if any(names.count(name) > 1 for name in _ONLY_ONCE):
            found.append(Defect.DUPLICATE_FIELD)
        if self.is_cut and self._header_end == len(self.start):
            found.append(Defect.HEADER_TOO_LONG)
        return frozenset(found)

    @cached_property
    def _content_defects(self) -> frozenset[Defect]:
        contents = self._contents
        cut = (Defect.CONTENT_CUT,) if self.is_cut else ()
        return contents.defects.union(cut, *(leaf.defects for leaf in contents.leaves))

    @property
    def _header_end(self) -> int:
        return header_end(self.start, 0, len(self.start))

    @cached_property
    def _fields(self) -> list[Field]:
        return scan_fields(self.prefix + self.start[: self._header_end], _MAX_FIELDS)

    @cached_property
    def _contents(self) -> InspectedMessage:
        return look_inside_every_way(self.prefix, self.start)


def mail_of(ticket: Ticket, envelope: MailEnvelope, start: bytes, seen: Need, read_body: BodyReader) -> Mail:
    """Make the message of a ticket; `start` is what was read of its body."""
    is_cut = seen is not Need.ENVELOPE and len(start) < ticket.size
    return Mail(
        envelope,
        ticket.prefix,
        start,
        seen,
        is_cut=is_cut,
        findings=[finding_of(each) for each in ticket.findings],
        body=partial(read_body, ObjectId(ticket.blob_id)) if is_cut else None,
    )
