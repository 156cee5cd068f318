"""Dates of header fields: RFC 5322, section 3.3, with the obsolete forms of section 4.3."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from functools import lru_cache

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_COMMENT = re.compile(rb"\([^()]*\)")
_DATE = re.compile(
    rb"\s*(?:[A-Za-z]+(?:\s*,)?\s*)?([0-9]{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*[\s-]+([0-9]{2,4})[\s,]+"
    rb"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?(?:[.,][0-9]+)?\s*([+-][0-9]{4}|[A-Za-z]+)?"
)
_ZONE_HOURS = {
    b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7,
    b"CET": 1, b"CEST": 2, b"BST": 1, b"JST": 9,
}  # fmt: skip


def rfc5322_date(moment: datetime) -> bytes:
    """Write `Fri, 21 Nov 1997 09:55:06 -0600`. `moment` must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a date of a header field needs a time zone")
    return _date_of_second(moment.replace(microsecond=0, tzinfo=None), f"{moment:%z}")


@lru_cache(maxsize=16)
def _date_of_second(moment: datetime, zone: str) -> bytes:
    text = f"{format_datetime(moment).removesuffix('-0000')}{zone}"
    return text[:31].encode("ascii")  # RFC 5322 has no zones with seconds


def parse_date(value: bytes) -> datetime | None:
    """Read the value of a Date field; None if it is no date that exists."""
    if b"(" in value:
        value = _COMMENT.sub(b" ", value)
    match = _DATE.match(value)
    if match is None:
        return None
    day, month, year, hour, minute, second, zone = match.groups()
    number = _MONTH_NUMBER.get(month.lower())
    if number is None:
        return None
    try:
        return datetime(
            _full_year(year),
            number,
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),
            tzinfo=_zone(zone),
        )
    except ValueError:
        return None


def _full_year(digits: bytes) -> int:
    """RFC 5322, section 4.3: two digits below 50 are of this century, others of the last; three add 1900."""
    year = int(digits)
    if len(digits) >= 4:
        return year
    return year + 2000 if len(digits) == 2 and year < 50 else year + 1900


def _zone(text: bytes | None) -> timezone:
    if text is None or text[:1] not in b"+-":
        hours = _ZONE_HOURS.get((text or b"").upper(), 0)
        return timezone(timedelta(hours=hours)) if hours else UTC
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    if not minutes:
        return UTC
    return timezone(timedelta(minutes=-minutes if text[:1] == b"-" else minutes))
