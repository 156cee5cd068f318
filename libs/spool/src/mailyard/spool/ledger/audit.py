"""Audit the ledger: compare minutes, find differences that last, and close complete minutes.

The two sides are read one after the other while mail flows, so a difference counts only if two comparisons in a row
show the same difference. A minute is compared soon after it has passed, and when it must be settled. If it stays open
because a message waits or is held, it is compared each time its age has doubled: the cost grows with the mail, not with the
backlog. The auditor keeps the sums of an open minute, and those of its lines that differ. One audit compares a bounded
number of minutes, the newest first; a new auditor takes several audits to know all of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.ledger.comparison import Minute, compare_minutes
from mailyard.spool.ledger.ledger import (
    MINUTE,
    MOST_MINUTES,
    OPEN_COLUMNS,
    Ledger,
    LedgerLine,
    minute_of,
    spans,
)
from mailyard.store.client import Store

# A batch whose time lies this far back is stored and noted, or never will be: longer than the store's time-outs.
SETTLED = timedelta(minutes=2)
_HISTORY = timedelta(days=30)  # older than any message that may still wait
_PASSED = timedelta(seconds=15)  # most messages have ended this long after their acceptance
_MINUTES_PER_AUDIT = 120
_CLOSED_LINES_PER_AUDIT = 500
_KEPT_LINES = 2000  # differing lines in memory; of more, the sums are kept


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of one audit."""

    wrong: tuple[LedgerLine, ...]  # lines that differed twice
    unaccounted: int  # recipients of all minutes that differed twice, also of lines that are not kept
    totals: Mapping[str, int]  # recipients of all open minutes, by what became of them; zeros left out
    recovered: int  # entries that were written for an edge


@dataclass(frozen=True, slots=True)
class _Known:
    """An open minute at its last comparison."""

    compared_at: datetime
    next_comparison: datetime
    sums: Minute
    wrong: tuple[LedgerLine, ...] = ()
    unaccounted: int = 0


class LedgerAuditor:
    """Compares and closes minutes. Only the holder of the lease may use it; after losing the lease it must `forget`."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._clock = clock
        self._store = store
        self._ledger = Ledger(store)
        self._open: dict[datetime, _Known | None] = {}  # None: not compared yet
        self._next: datetime | None = None  # the first minute that is not in `_open` yet
        self._totals: Counter[str] = Counter()
        self._kept_lines = 0

    def forget(self) -> None:
        """Forget all minutes, because another auditor has changed them."""
        if self._next is not None:
            self._open.clear()
            self._totals.clear()
            self._next, self._kept_lines = None, 0

    async def audit(self, edge: str) -> Audit:
        """Compare the minutes that are due; write missing entries and close complete minutes.

        Args:
            edge: name of this process, for the entries that it writes.

        Raises:
            Unavailable: the store is unreachable.

        """
        now = self._clock()
        await self._add_minutes(now)
        due = [minute for minute, known in self._open.items() if _next_comparison(minute, known) <= now]
        due = sorted(due, reverse=True)[:_MINUTES_PER_AUDIT]
        fresh = [minute for minute in due if not _settled(minute, now)]
        recovered = 0
        for since, until in spans(fresh, MOST_MINUTES):
            await self._compare(since, until, now)
        lines_left = _CLOSED_LINES_PER_AUDIT
        for since, until in spans(set(due) - set(fresh), MOST_MINUTES):
            recovered += await self._recover(since, until, edge)
            for minute in await self._compare(since, until, now):
                lines_left -= await self._close(minute) if lines_left > 0 else 0
        await self._ledger.mark_audited(self._audited_until(now))
        known = [each for each in self._open.values() if each is not None and each.unaccounted]
        wrong = tuple(line for each in known for line in each.wrong)
        totals = {column: count for column, count in self._totals.items() if count}
        return Audit(wrong, sum(each.unaccounted for each in known), totals, recovered)

    async def _add_minutes(self, now: datetime) -> None:
        """Add the minutes since the last audit; at the first audit, the minutes that are open in the store."""
        end = minute_of(now) + MINUTE
        if self._next is None:
            found = await self._ledger.open_minutes(minute_of(now - _HISTORY), end)
            self._open = dict.fromkeys(found)
            self._next = minute_of(now)  # mail of this minute may still come
        while self._next < end:
            self._open.setdefault(self._next, None)
            self._next += MINUTE

    async def _recover(self, since: datetime, until: datetime, edge: str) -> int:
        """Write missing entries of settled minutes: at the first comparison, and whenever the sides differ."""
        for minute, known in self._open.items():
            if since <= minute < until and (
                known is None or not _settled(minute, known.compared_at) or known.sums.difference
            ):
                return await self._ledger.recover_entries(since, until, edge)
        return 0

    async def _compare(self, since: datetime, until: datetime, now: datetime) -> list[datetime]:
        """Compare minutes; return those that can be closed once they are settled. Minutes without mail are dropped."""
        found = await compare_minutes(self._store, since, until)
        complete: list[datetime] = []
        for number in range((until - since) // MINUTE):
            minute = since + number * MINUTE
            sums = found.get(minute)
            if sums is None and _settled(minute, now):
                self._drop(minute)
            else:
                self._keep(minute, sums or Minute({}, (), 0), now)
                if sums is not None and sums.complete:
                    complete.append(minute)
        return complete

    async def _close(self, minute: datetime) -> int:
        """Close a minute, unless it has changed meanwhile; return how many lines it has."""
        lines = await self._ledger.compare(minute, minute + MINUTE)
        if not any(line.unaccounted or any(line.became[column] for column in OPEN_COLUMNS) for line in lines):
            await self._ledger.close(minute, lines)
            self._drop(minute)
        return len(lines)

    def _keep(self, minute: datetime, sums: Minute, now: datetime) -> None:
        before = self._open.get(minute)
        wrong, unaccounted = _differing_still(before.sums, sums) if before else ((), 0)
        self._drop(minute)
        if self._kept_lines + len(sums.differing) > _KEPT_LINES:
            sums = Minute(sums.totals, (), sums.difference)
        self._kept_lines += len(sums.differing)
        self._totals.update(sums.totals)
        self._open[minute] = _Known(now, _next_time(minute, sums, now), sums, wrong, unaccounted)

    def _drop(self, minute: datetime) -> None:
        known = self._open.pop(minute, None)
        if known is not None:
            self._totals.subtract(known.sums.totals)
            self._kept_lines -= len(known.sums.differing)

    def _audited_until(self, now: datetime) -> datetime:
        """Return the time before which every minute was compared after it was settled."""
        waiting = (
            minute
            for minute, known in self._open.items()
            if known is None or not _settled(minute, known.compared_at)
        )
        return min(waiting, default=minute_of(now - SETTLED))


def _settled(minute: datetime, now: datetime) -> bool:
    return minute + MINUTE + SETTLED <= now


def _next_comparison(minute: datetime, known: _Known | None) -> datetime:
    return known.next_comparison if known else minute + MINUTE + _PASSED


def _next_time(minute: datetime, sums: Minute, now: datetime) -> datetime:
    """Return the time of the next comparison: at once after a difference, when settled, else when the age has doubled."""
    if sums.difference or (sums.complete and _settled(minute, now)):
        return now
    settled = minute + MINUTE + SETTLED
    return settled if now < settled else now + (now - minute)


def _differing_still(before: Minute, after: Minute) -> tuple[tuple[LedgerLine, ...], int]:
    """Return the lines that differ as they did before, and the recipients that are unaccounted for."""
    known = {line.tenant: line.unaccounted for line in before.differing}
    wrong: Sequence[LedgerLine] = [
        line for line in after.differing if known.get(line.tenant) == line.unaccounted
    ]
    unaccounted = sum(abs(line.unaccounted) for line in wrong)
    if before.difference == after.difference:  # all lines, also those that are not kept
        unaccounted = after.difference
    return tuple(wrong), unaccounted
