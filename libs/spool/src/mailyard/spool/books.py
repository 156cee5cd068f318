"""Keeping the ledger: which minutes are looked at, what differs for good, and what can be closed.

The two books are read one after the other while mail flows, so a difference counts only when the same one shows at two
looks. A minute is looked at soon after it has passed, when it must be settled, and, if it stays open because a message waits in
it, ever less often: the cost of the ledger grows with the mail, not with what waits.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.ledger import EXPANDED, IN_FLIGHT, MINUTE, Account, Ledger, minute_of
from mailyard.store.client import Store

# A batch whose time lies this far back is stored and noted, or never will be: longer than the store's time-outs.
SETTLED = timedelta(minutes=2)
_HISTORY = timedelta(days=30)  # older than any message that may still wait
_PASSED = timedelta(seconds=15)  # most messages have ended this long after they came


@dataclass(frozen=True, slots=True)
class Audit:
    """One comparison of the books."""

    wrong: tuple[Account, ...]  # lines that differed twice
    totals: Mapping[str, int]  # recipients of all open minutes, by what became of them
    recovered: int  # entries that were written for an edge


@dataclass(frozen=True, slots=True)
class _Minute:
    """An open minute as it was when it was last looked at."""

    looked_at: datetime
    lines: tuple[Account, ...]

    def next_look(self, minute: datetime) -> datetime:
        """Return when to look again: at once after a difference, when it is settled, else when its age has grown by half."""
        if any(line.unaccounted for line in self.lines):
            return self.looked_at
        settled = minute + MINUTE + SETTLED
        return settled if self.looked_at < settled else self.looked_at + (self.looked_at - minute) / 2


class Bookkeeper:
    """Compares and closes."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._clock = clock
        self._ledger = Ledger(store)
        self._open: dict[datetime, _Minute] = {}
        self._suspects: dict[tuple[str, datetime], int] = {}

    async def audit(self, edge: str) -> Audit:
        """Look at the minutes whose turn it is; recover missing entries and close what is complete.

        Args:
            edge: our name, for the entries that we write.

        Raises:
            Unavailable: the store is away.

        """
        now = self._clock()
        recovered = 0
        minutes = await self._ledger.open_minutes(minute_of(now - _HISTORY), minute_of(now) + MINUTE)
        self._open = {minute: known for minute, known in self._open.items() if minute in minutes}
        for minute in sorted(minutes):
            known = self._open.get(minute)
            if (known.next_look(minute) if known else minute + MINUTE + _PASSED) <= now:
                recovered += await self._look(minute, now, edge)
        await self._ledger.looked(minute_of(now - SETTLED))
        wrong = self._wrong()
        return Audit(wrong, self._totals(), recovered)

    async def _look(self, minute: datetime, now: datetime, edge: str) -> int:
        """Compare one minute; close it when it is settled and complete."""
        settled = minute + MINUTE + SETTLED <= now
        recovered = await self._ledger.recover_entries(minute, minute + MINUTE, edge) if settled else 0
        lines = await self._ledger.compare(minute, minute + MINUTE)
        if settled and not any(line.unaccounted or line.became[IN_FLIGHT] for line in lines):
            await self._ledger.close(minute, lines)
            self._open.pop(minute, None)
        else:
            self._open[minute] = _Minute(now, tuple(lines))
        return recovered

    def _wrong(self) -> tuple[Account, ...]:
        differing = {
            (line.tenant, line.since): line
            for known in self._open.values()
            for line in known.lines
            if line.unaccounted
        }
        wrong = tuple(line for key, line in differing.items() if self._suspects.get(key) == line.unaccounted)
        self._suspects = {key: line.unaccounted for key, line in differing.items()}
        return wrong

    def _totals(self) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for known in self._open.values():
            for line in known.lines:
                totals["accepted"] += line.accepted
                totals[EXPANDED] += line.expanded
                totals.update(line.became)
        return dict(totals)
