"""WindowCounts by windows of time. Pure: the time is an argument, in seconds since 1970.

A window is named by its number: the time divided by its length.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

SPANS: Final[Mapping[str, int]] = MappingProxyType({"minute": 60, "hour": 3600, "day": 86_400})


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """What was sent in the present minute, hour and day; `usual`: recipients of an average day with mail before."""

    minute: int = 0
    hour: int = 0
    day: int = 0
    messages: int = 0  # of the day
    usual: float = 0.0


@dataclass(slots=True)
class Window:
    """The count of one window; a later window begins at 0."""

    number: int = 0
    count: int = 0

    def at(self, number: int) -> int:
        """Return the count, if the window is the present one or a later one: clocks differ."""
        return self.count if self.number >= number else 0

    def add(self, number: int, count: int) -> None:
        """Count in a window; what comes late for an earlier window counts in the newest one."""
        self.count = self.at(number) + count
        self.number = max(self.number, number)


@dataclass(slots=True)
class SendingTally:
    """Recipients by minute, hour and day, and messages by day."""

    minute: Window = field(default_factory=Window)
    hour: Window = field(default_factory=Window)
    day: Window = field(default_factory=Window)
    messages: Window = field(default_factory=Window)

    def add(self, now: float, recipients: int, messages: int = 1) -> None:
        """Count a message."""
        second = int(now)
        self.minute.add(second // 60, recipients)
        self.hour.add(second // 3600, recipients)
        self.day.add(second // 86_400, recipients)
        self.messages.add(second // 86_400, messages)

    def merge(self, other: "SendingTally") -> None:
        """Add the counts of another one; an earlier window than the newest of both has passed."""
        for name in ("minute", "hour", "day", "messages"):
            ours: Window = getattr(self, name)
            theirs: Window = getattr(other, name)
            newest = max(ours.number, theirs.number)
            ours.number, ours.count = newest, ours.at(newest) + theirs.at(newest)

    def at(self, now: float) -> WindowCounts:
        """Return the counts of the present windows."""
        return sum_of((self,), now)


def sum_of(tallies: Iterable[SendingTally], now: float, usual: float = 0.0) -> WindowCounts:
    """Add up the present windows of some tallies."""
    second = int(now)
    in_minute, in_hour, in_day = second // 60, second // 3600, second // 86_400
    minute = hour = day = messages = 0
    for tally in tallies:
        minute += tally.minute.at(in_minute)
        hour += tally.hour.at(in_hour)
        day += tally.day.at(in_day)
        messages += tally.messages.at(in_day)
    return WindowCounts(minute, hour, day, messages, usual)
