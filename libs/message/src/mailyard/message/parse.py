"""Parse a message once, at delivery: what its row keeps, so that later FETCH and SEARCH need not read the message."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mailyard.message.addresslist import parse_address_list
from mailyard.message.allowance import Allowance
from mailyard.message.bodystructure import STRUCTURE_OCTETS, encode_structures
from mailyard.message.dates import parse_date
from mailyard.message.defects import NONE, Defect
from mailyard.message.encodedwords import decode_words
from mailyard.message.envelope import (
    AUTHOR_OCTETS,
    DATE_OCTETS,
    ENVELOPE_OCTETS,
    SUBJECT_OCTETS,
    encode_envelope,
    envelope_values,
)
from mailyard.message.fields import first_value
from mailyard.message.headers import encode_header_index, header_index_behind
from mailyard.message.messageids import first_message_id, message_ids
from mailyard.message.parts import encode_part_index, part_index_behind
from mailyard.message.structure import divided, scan_structure

_TRACE_FIELDS = re.compile(
    rb"(?:(?:Return-Path|Delivered-To|X-Original-To):[^\n]*+\n(?:[ \t][^\n]*+\n)*+)*+", re.IGNORECASE
)


class Indexes(NamedTuple):
    """For `HeaderIndex.decode` and `PartIndex.decode`."""

    header_index: bytes
    part_index: bytes


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """The result of parsing a message.

    `envelope`, `bodystructure` and `body` go into FETCH answers as they are; the two indexes are for
    `HeaderIndex.decode` and `PartIndex.decode`. Texts are decoded; identifiers have their angle brackets;
    what is absent is empty, or None for the date. `is_continued`: it begins with a continuation line.
    """

    envelope: bytes
    bodystructure: bytes
    body: bytes
    header_index: bytes
    part_index: bytes
    subject: str
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    from_address: str
    sent_at: datetime | None
    defects: frozenset[Defect] = NONE
    is_continued: bool = False

    def indexes_behind(self, fields: bytes) -> "Indexes":
        """Both indexes with trace fields of final delivery before the message: Return-Path, Delivered-To, X-Original-To.

        All else stays as it is, so that one parse serves all recipients of a message. Raises ValueError for other octets.
        """
        if not _TRACE_FIELDS.fullmatch(fields):
            raise ValueError("only trace fields of final delivery can be put before a parsed message")
        return Indexes(
            header_index_behind(fields, self.header_index, complete=not self.is_continued),
            part_index_behind(len(fields), self.part_index),
        )


def parse_message(prefix: bytes, body: bytes) -> ParsedMessage:
    """Read the message `prefix + body`, of any octets; never raises, and joins the two only if the prefix is no header."""
    prefix, body = divided(prefix, body)
    message = scan_structure(prefix, body)
    values = envelope_values(message.fields)
    references = first_value(message.fields, b"references")
    for_envelope, for_structure = Allowance(ENVELOPE_OCTETS), Allowance(STRUCTURE_OCTETS)
    envelope = encode_envelope(values, for_envelope)
    structures = encode_structures(message, for_structure)
    defects = message.defects
    if for_envelope.exceeded:
        defects |= {Defect.ENVELOPE_SHORTENED}
    if for_structure.exceeded:
        defects |= {Defect.STRUCTURE_SHORTENED}
    return ParsedMessage(
        envelope=envelope,
        bodystructure=structures.bodystructure,
        body=structures.body,
        header_index=encode_header_index(
            message.fields,
            complete=message.complete,
            empty_line=_empty_line(body, message.body - len(prefix)),
        ),
        part_index=encode_part_index(message),
        subject=decode_words(values.get(b"subject", b"")[:SUBJECT_OCTETS]),
        message_id=first_message_id(values.get(b"message-id", b"")),
        in_reply_to=first_message_id(values.get(b"in-reply-to", b"")),
        references=message_ids(references or b""),
        from_address=_author(values.get(b"from", b"")),
        sent_at=parse_date(values.get(b"date", b"")[:DATE_OCTETS]),
        defects=defects,
        is_continued=(prefix or body).startswith((b" ", b"\t")),
    )


def _empty_line(body: bytes, end: int) -> bytes:
    """The empty line that closes the header section, which ends at `end`, if there is one."""
    last = body[max(0, end - 3) : end]
    if last in (b"\r\n", b"\n\r\n"):
        return b"\r\n"
    return b"\n" if last == b"\n" or last.endswith(b"\n\n") else b""


def _author(value: bytes) -> str:
    """The first address of From, without its display name."""
    for address in parse_address_list(value, AUTHOR_OCTETS):
        if address.mailbox and address.host:
            return f"{_text(address.mailbox)}@{_text(address.host)}"
    return ""


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
