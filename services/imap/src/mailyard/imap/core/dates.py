"""Dates as IMAP writes them (RFC 3501, section 9: date and date-time)."""

import re
from datetime import date, datetime, timedelta, timezone

from mailyard.imap.core.cursor import CommandSyntaxError, Cursor

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NUMBER_OF = {name.lower().encode("ascii"): index for index, name in enumerate(MONTHS, start=1)}
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)"')


def imap_date(cursor: Cursor) -> date:
    """ABNF: date = date-text / DQUOTE date-text DQUOTE."""
    found = cursor.match(_DATE)
    if found is None:
        raise CommandSyntaxError('Expected a date such as 1-Feb-1994 or "1-Feb-1994"')
    try:
        return date(int(found[4]), _month(found[3]), int(found[2]))
    except ValueError as error:
        raise CommandSyntaxError("There is no such date") from error


def date_time(cursor: Cursor) -> datetime:
    """ABNF: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE."""
    found = cursor.match(_DATE_TIME)
    if found is None:
        raise CommandSyntaxError('Expected a date and time such as "17-Jul-1996 02:44:25 -0700"')
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == b"-" else 1)
    try:
        clock = (int(hour), int(minute), min(int(second), 59))  # a leap second is kept as the second before
        return datetime(int(year), _month(month), int(day), *clock, tzinfo=timezone(offset))
    except ValueError as error:
        raise CommandSyntaxError("There is no such date and time") from error


def _month(name: bytes) -> int:
    return _NUMBER_OF.get(name.lower(), 0)  # month 0 is refused by the caller's constructor


def encode_date(day: date) -> bytes:
    """`day` as date-text."""
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04}".encode("ascii")


def encode_date_time(moment: datetime) -> bytes:
    """`moment`, which knows its zone, as date-time with its quotes."""
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return (
        f'"{moment.day:2}-{MONTHS[moment.month - 1]}-{moment.year:04} '
        f'{moment.hour:02}:{moment.minute:02}:{moment.second:02} {sign}{minutes // 60:02}{minutes % 60:02}"'
    ).encode("ascii")
