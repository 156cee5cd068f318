"""Limits of sending as values, and the decision whether a message exceeds one. Pure.

A window is a whole minute, hour or day of UTC. Numbers are recipients, but `messages_day`, which is messages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailyard.directory.sending.windows import SPANS, WindowCounts

NO_LIMIT: Final = "none"
_UNITS: Final = tuple(SPANS)
_PART: Final = re.compile(r"(\d{1,9})/([a-z]+)")
_EXAMPLE: Final = "500/minute, 2000/hour, 5000/day; any of them may be left out; none: no limit"


@dataclass(frozen=True, slots=True)
class Rates:
    """Recipients of a minute, an hour and a day at most; None: no limit."""

    minute: int | None = None
    hour: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Rates":
        """Read `500/minute, 2000/hour, 5000/day`, or `none`. Raises ValueError."""
        if text.strip() == NO_LIMIT:
            return cls()
        found: dict[str, int] = {}
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None or match[2] not in _UNITS or match[2] in found or not int(match[1]):
                raise ValueError(f"write {_EXAMPLE}")
            found[match[2]] = int(match[1])
        return cls(**found)

    def __str__(self) -> str:
        return ", ".join(f"{limit}/{unit}" for unit, limit in self.by_unit.items()) or NO_LIMIT

    @property
    def by_unit(self) -> Mapping[str, int]:
        """Return the limits that there are, by window."""
        limits = ((unit, getattr(self, unit)) for unit in _UNITS)
        return {unit: limit for unit, limit in limits if limit is not None}

    def excess(self, counts: WindowCounts, recipients: int) -> str:
        """Say which limit `recipients` more would exceed; empty: none."""
        for unit, limit in (("minute", self.minute), ("hour", self.hour), ("day", self.day)):
            if limit is not None and (total := getattr(counts, unit) + recipients) > limit:
                return f"{total} recipients within a {unit}, {limit} are permitted"
        return ""


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump over the usual rate: more than `factor` times the average of the account's days, and above `minimum`.

    `factor` 0: no jump is looked for.
    """

    factor: int = 0
    minimum: int = 0

    def excess(self, counts: WindowCounts, recipients: int) -> str:
        """Say why a day with `recipients` more is a jump; empty: it is none."""
        total = counts.day + recipients
        if not self.factor or total <= self.minimum or total <= self.factor * counts.usual:
            return ""
        return f"{total} recipients within a day, {round(counts.usual)} are usual for this account"


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """What an account, all accounts of its domain, and all accounts of its tenant may send."""

    account: Rates = Rates()
    domain: Rates = Rates()
    tenant: Rates = Rates()
    messages_day: int | None = None  # of the tenant
    jump: Jump = Jump()

    def of_tenant(self, counts: WindowCounts, recipients: int) -> str:
        """Say what a message of a tenant would exceed; empty: nothing."""
        if self.messages_day is not None and counts.messages >= self.messages_day:
            return f"{counts.messages + 1} messages within a day, {self.messages_day} are permitted"
        return self.tenant.excess(counts, recipients)
