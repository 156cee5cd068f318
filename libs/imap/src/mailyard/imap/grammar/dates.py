"""Dates of IMAP (RFC 3501, section 9: date and date-time)."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NUMBER_OF = {name.lower().encode("ascii"): index for index, name in enumerate(MONTHS, start=1)}
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
# Some clients leave out the padding of the day, or write a time zone by its name.
_DATE_TIME = re.compile(
    rb'" *(\d{1,2})-([A-Za-z]{3})-(\d{4}) +(\d{1,2}):(\d\d):(\d\d) +'
    rb'(?:([+-])(\d\d)([0-5]\d)|(?:GMT|UTC?|Z))"',
    re.IGNORECASE,
)
_DAYS_OF_A_MONTH = 31


def imap_date(cursor: Cursor) -> date:
    """ABNF: date = date-text / DQUOTE date-text DQUOTE; "31-Feb" is the third of March, or the second in a leap year."""
    found = cursor.match(_DATE)
    if found is None:
        raise CommandSyntaxError('Expected a date such as 1-Feb-1994 or "1-Feb-1994"')
    day = int(found[2])
    if not 1 <= day <= _DAYS_OF_A_MONTH:
        raise CommandSyntaxError("There is no such date")
    try:
        return date(int(found[4]), _month(found[3]), 1) + timedelta(days=day - 1)
    except ValueError as error:
        raise CommandSyntaxError("There is no such date") from error


def date_time(cursor: Cursor) -> datetime:
    """ABNF: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE."""
    found = cursor.match(_DATE_TIME)
    if found is None:
        raise CommandSyntaxError('Expected a date and time such as "17-Jul-1996 02:44:25 -0700"')
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups(b"0")
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == b"-" else 1)
    try:
        clock = (int(hour), int(minute), min(int(second), 59))  # a leap second becomes the second before
        moment = datetime(int(year), _month(month), int(day), *clock, tzinfo=timezone(offset))
        moment.astimezone(UTC)  # the store keeps UTC
    except (ValueError, OverflowError) as error:
        raise CommandSyntaxError("There is no such date and time") from error
    return moment


def _month(name: bytes) -> int:
    return _NUMBER_OF.get(name.lower(), 0)  # month 0 is refused by the caller's constructor


def encode_date_time(moment: datetime) -> bytes:
    """Encode a time-zone aware `moment` as date-time with its quotes."""
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return (
        f'"{moment.day:2}-{MONTHS[moment.month - 1]}-{moment.year:04} '
        f'{moment.hour:02}:{moment.minute:02}:{moment.second:02} {sign}{minutes // 60:02}{minutes % 60:02}"'
    ).encode("ascii")
