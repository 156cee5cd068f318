"""Arrival patterns: mails in each second, built in or from a CSV of `time,mails`."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass


class BadArrivals(Exception):
    """A pattern or CSV that cannot be replayed; the text says why."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What comes in, and when nothing goes out."""

    mails: tuple[int, ...]  # per second
    outage: range = range(0)  # seconds in which delivery and relay do nothing


def _whole(rates: Iterable[float]) -> tuple[int, ...]:
    """Whole mails whose sum follows the sum of the rates: a remainder is carried, none is lost."""
    counts: list[int] = []
    owed = 0.0
    for rate in rates:
        owed += rate
        counts.append(math.floor(owed + 1e-9))
        owed -= counts[-1]
    return tuple(counts)


def steady(rate: float, seconds: int) -> Arrivals:
    """The same rate all the time."""
    return Arrivals(_whole([rate] * seconds))


def day(rate: float, seconds: int) -> Arrivals:
    """One day, squeezed into `seconds`: a sine from a tenth of the mean at night to 1.9 times at noon."""
    return Arrivals(
        _whole(rate * (1 - 0.9 * math.cos(2 * math.pi * second / seconds)) for second in range(seconds))
    )


def burst(rate: float, seconds: int, mails: int, begin: int, lasting: int) -> Arrivals:
    """A steady rate and, from `begin` on, `mails` more within `lasting` seconds."""
    if begin + lasting > seconds:
        raise BadArrivals(f"a burst from second {begin} for {lasting} s does not fit in {seconds} s")
    extra = mails / lasting
    return Arrivals(
        _whole(rate + (extra if begin <= second < begin + lasting else 0) for second in range(seconds))
    )


def newsletter(rate: float, seconds: int, mails: int, begin: int, every: int) -> Arrivals:
    """One sender's `mails` in two halves, `every` seconds apart, each as fast as it comes in a minute."""
    first = burst(rate, seconds, mails // 2, begin, 60).mails
    second = burst(0, seconds, mails - mails // 2, begin + every, 60).mails
    return Arrivals(tuple(one + other for one, other in zip(first, second, strict=True)))


def outage(rate: float, seconds: int, begin: int, lasting: int) -> Arrivals:
    """A steady rate while the consumers behind the filter stand still for `lasting` seconds, and come back."""
    return Arrivals(steady(rate, seconds).mails, range(begin, begin + lasting))


def from_csv(lines: Iterable[str], tail: int) -> Arrivals:
    """`time,mails` rows (seconds from 0, ascending; a heading is allowed) and `tail` quiet seconds behind them."""
    counts: dict[int, int] = {}
    for number, row in enumerate(csv.reader(lines), start=1):
        if not row or (number == 1 and row[0].strip() == "time"):
            continue
        second, mails = _row(number, row)
        counts[second] = counts.get(second, 0) + mails
    if not counts:
        raise BadArrivals("no rows: each line is the second and the number of mails, such as 12,340")
    return Arrivals(tuple(counts.get(second, 0) for second in range(max(counts) + 1 + tail)))


def _row(number: int, row: list[str]) -> tuple[int, int]:
    try:
        second, mails = (int(cell) for cell in row)
    except ValueError:
        raise BadArrivals(f"line {number} is not two whole numbers: {','.join(row)}") from None
    if second < 0 or mails < 0:
        raise BadArrivals(f"line {number} has a number below 0")
    return second, mails
