"""The column `summary` of a message: From, To, Subject and Date, decoded, for search, sorting and lists.

| field | |
|---|---|
| `from`, `to` | the first addresses, each `{name, address}` |
| `subject` | null: there is no Subject field |
| `sent_at` | the Date field in UTC; null: there is no date that exists |
| `sent_zone` | minutes east of UTC, as the sender wrote it |
| `exact` | false: Subject or Date was cut, or there are several Subject fields; absent: true |

A message of version 0.2.0 has no such column: `summary_of` reads its header index.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from mailyard.mailbox.model import Message
from mailyard.message.fields import scan_fields
from mailyard.message.headers import HeaderIndex
from mailyard.message.summary import NamedAddress, Summary, summarise
from mailyard.store.client import Row

FALLBACK_FIELDS = frozenset({"summary", "header_index"})  # columns that `summary_of` needs


def summary_of(message: Message) -> Summary:
    """Return the summary of a message from its column, or from the header index where there is none.

    Fields that are too long for the header index are missing in the latter.
    """
    if message.summary is not None:
        return message.summary
    return summarise(list(scan_fields(HeaderIndex.decode(message.header_index).kept)))


def summary_row(summary: Summary) -> Row:
    """Return the column."""
    row: Row = {
        "from": _address_rows(summary.from_),
        "to": _address_rows(summary.to),
        "subject": summary.subject,
        "sent_at": summary.sent_at,
    }
    if summary.sent_at is not None:
        row["sent_zone"] = int((summary.sent_at.utcoffset() or timedelta()).total_seconds()) // 60
    if not summary.is_exact:
        row["exact"] = False
    return row


def summary_in(row: Row | None) -> Summary | None:
    """Read the column; None where there is none."""
    if row is None:
        return None
    return Summary(
        from_=_addresses_in(row["from"]),
        to=_addresses_in(row["to"]),
        subject=row["subject"],
        sent_at=_sent_at_in(row),
        is_exact=row.get("exact", True),
    )


def _address_rows(addresses: Iterable[NamedAddress]) -> list[Row]:
    return [{"name": name, "address": address} for name, address in addresses]


def _addresses_in(rows: Iterable[Row]) -> tuple[NamedAddress, ...]:
    return tuple(NamedAddress(row["name"], row["address"]) for row in rows)


def _sent_at_in(row: Row) -> datetime | None:
    sent_at: datetime | None = row["sent_at"]
    return sent_at and sent_at.astimezone(timezone(timedelta(minutes=row["sent_zone"])))
