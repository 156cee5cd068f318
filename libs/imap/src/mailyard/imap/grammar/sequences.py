"""Sequence sets (RFC 3501, section 9: sequence-set)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.syntax import MAX_NUMBER

_SET = re.compile(
    rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*(?![\d*:,])"
)
STAR = 0  # "*": the largest number in use


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges as the client wrote them, either end possibly STAR, in any order."""

    ranges: tuple[tuple[int, int], ...]

    def spans(self, largest: int) -> list[tuple[int, int]]:
        """Return the ranges with STAR as `largest`, sorted, without overlap; no ranges where `largest` is 0."""
        if not largest:
            return []
        known = ((first or largest, last or largest) for first, last in self.ranges)
        merged: list[tuple[int, int]] = []
        for low, high in sorted((min(pair), max(pair)) for pair in known):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    def exceeds(self, largest: int) -> bool:
        """Return whether the set names a number above `largest`; "7:*" does not."""
        return any(STAR not in pair and max(pair) > largest for pair in self.ranges)


def sequence_set(cursor: Cursor) -> SequenceSet:
    """ABNF: sequence-set = (seq-number / seq-range) *("," sequence-set)."""
    octets = cursor.require(_SET, "a sequence set")
    if octets.count(b",") >= cursor.limits.ranges:
        raise CommandSyntaxError("The sequence set is too long")
    return SequenceSet(tuple(map(_range, octets.split(b","))))


def _range(octets: bytes) -> tuple[int, int]:
    first, colon, last = octets.partition(b":")
    low = _number(first)
    return (low, _number(last)) if colon else (low, low)


def _number(octets: bytes) -> int:
    if octets == b"*":
        return STAR
    number = int(octets)
    if not number:
        raise CommandSyntaxError("Expected a number above zero")
    if number > MAX_NUMBER:
        raise CommandSyntaxError("The number is too large")
    return number


def compact(numbers: Iterable[int]) -> bytes:
    """Encode numbers as a set in the given order, runs that rise by one as ranges, as COPYUID needs them."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ",".join(f"{low}" if low == high else f"{low}:{high}" for low, high in runs).encode("ascii")
