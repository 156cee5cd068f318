"""The summary of a message: From, To, Subject and Date as lists show them, and as sorting and searching compare them.

Texts are decoded (RFC 2047) and can be stored as UTF-8. A summary is bounded: 20 addresses of each field, 8 KiB of Subject.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from itertools import islice
from typing import NamedTuple

from mailyard.message.addresslist import HeaderAddress, parse_address_list
from mailyard.message.dates import parse_date
from mailyard.message.encodedwords import decode_words
from mailyard.message.envelope import AUTHOR_OCTETS, DATE_OCTETS, SUBJECT_OCTETS, envelope_values
from mailyard.message.fields import Field

MAX_ADDRESSES = 20
_TEXT_OCTETS = 1_024  # of one name or address


class NamedAddress(NamedTuple):
    """An address of a header field with its display name, which may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a header says of its message.

    `subject` and `sent_at` are None where there is no such field, or no date that exists; `sent_at` has the zone of the
    sender. `is_exact`: there is one Subject at most, and neither Subject nor Date was cut, so that a search may rely on
    both.
    """

    from_: tuple[NamedAddress, ...] = ()
    to: tuple[NamedAddress, ...] = ()
    subject: str | None = None
    sent_at: datetime | None = None
    is_exact: bool = True


def summarise(fields: Sequence[Field]) -> Summary:
    """Return the summary of a header."""
    values = envelope_values(fields)
    authors, recipients = (
        parse_address_list(values.get(name, b""), AUTHOR_OCTETS) for name in (b"from", b"to")
    )
    return summary_of(fields, values, authors, recipients)


def summary_of(
    fields: Sequence[Field],
    values: Mapping[bytes, bytes],
    authors: Iterable[HeaderAddress],
    recipients: Iterable[HeaderAddress],
) -> Summary:
    """Return the summary of a header of which `envelope_values`, and the addresses of From and To, are known."""
    subject, date = values.get(b"subject"), values.get(b"date", b"")
    sent_at = parse_date(date[:DATE_OCTETS])
    is_exact = (
        len(date) <= DATE_OCTETS
        and (subject is None or len(subject) <= SUBJECT_OCTETS)
        and [field.name for field in fields].count(b"subject") <= 1
    )
    if sent_at is not None and not 1 < sent_at.year < MAXYEAR:
        sent_at, is_exact = None, False  # in UTC, the day may be outside of the calendar
    return Summary(
        from_=tuple(islice(_named(authors), MAX_ADDRESSES)),
        to=tuple(islice(_named(recipients), MAX_ADDRESSES)),
        subject=None if subject is None else _text(subject[:SUBJECT_OCTETS]),
        sent_at=sent_at,
        is_exact=is_exact,
    )


def _named(addresses: Iterable[HeaderAddress]) -> Iterator[NamedAddress]:
    """Give addresses decoded; group names and addresses that are too long are left out."""
    for name, _, mailbox, host in addresses:
        if mailbox and host and len(mailbox) + len(host) <= _TEXT_OCTETS:
            address = _text(b"%b@%b" % (mailbox, host))
            yield NamedAddress(_text(name[:_TEXT_OCTETS]) if name else "", address)


def _text(octets: bytes) -> str:
    """Return decoded text without lone surrogates, which UTF-8 cannot hold."""
    text = decode_words(octets)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
