"""Keeping the ledger: which minutes are looked at, what differs for good, and what can be closed.

The two books are read one after the other while mail flows, so a difference counts only when the same one shows at two
looks. A minute is looked at soon after it has passed, when it must be settled, and, if it stays open because a message waits in
it, each time its age has doubled: the cost of the ledger grows with the mail, not with what waits. What is kept of an
open minute are its sums, and its lines only where they differ. One audit looks at a bounded number of minutes, the newest
first; a keeper that starts anew takes several audits to know them all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailyard.runtime.clock import Clock, now_utc
from mailyard.spool.ledger.comparison import Minute, compare_minutes
from mailyard.spool.ledger.ledger import IN_FLIGHT, MINUTE, MOST_MINUTES, Ledger, LedgerLine, minute_of, spans
from mailyard.store.client import Store

# A batch whose time lies this far back is stored and noted, or never will be: longer than the store's time-outs.
SETTLED = timedelta(minutes=2)
_HISTORY = timedelta(days=30)  # older than any message that may still wait
_PASSED = timedelta(seconds=15)  # most messages have ended this long after they came
_MINUTES_PER_AUDIT = 120
_CLOSED_LINES_PER_AUDIT = 500
_KEPT_LINES = 2000  # differing lines in memory; of more, the sums are kept


@dataclass(frozen=True, slots=True)
class Audit:
    """One comparison of the books."""

    wrong: tuple[LedgerLine, ...]  # lines that differed twice
    unaccounted: (
        int  # recipients of all minutes that differed twice, also of those whose lines are too many to keep
    )
    totals: Mapping[str, int]  # recipients of all open minutes, by what became of them; zeros left out
    recovered: int  # entries that were written for an edge


@dataclass(frozen=True, slots=True)
class _Known:
    """An open minute as it was when it was last looked at."""

    looked_at: datetime
    next_look: datetime
    books: Minute
    wrong: tuple[LedgerLine, ...] = ()
    unaccounted: int = 0


class LedgerAuditor:
    """Compares and closes. It is for whoever holds the lease; one that lost it must `forget`."""

    def __init__(self, store: Store, *, clock: Clock = now_utc) -> None:
        self._clock = clock
        self._store = store
        self._ledger = Ledger(store)
        self._open: dict[datetime, _Known | None] = {}  # None: not looked at yet
        self._next: datetime | None = None  # the first minute that is not in `_open` yet
        self._totals: Counter[str] = Counter()
        self._kept_lines = 0

    def forget(self) -> None:
        """Begin anew at the next audit: another keeper has been at work."""
        if self._next is not None:
            self._open.clear()
            self._totals.clear()
            self._next, self._kept_lines = None, 0

    async def audit(self, edge: str) -> Audit:
        """Look at the minutes whose turn it is; recover missing entries and close what is complete.

        Args:
            edge: our name, for the entries that we write.

        Raises:
            Unavailable: the store is away.

        """
        now = self._clock()
        await self._add_minutes(now)
        due = [minute for minute, known in self._open.items() if _next_look(minute, known) <= now]
        due = sorted(due, reverse=True)[:_MINUTES_PER_AUDIT]
        fresh = [minute for minute in due if not _settled(minute, now)]
        recovered = 0
        for since, until in spans(fresh, MOST_MINUTES):
            await self._compare(since, until, now)
        room = _CLOSED_LINES_PER_AUDIT
        for since, until in spans(set(due) - set(fresh), MOST_MINUTES):
            recovered += await self._recover(since, until, edge)
            for minute in await self._compare(since, until, now):
                room -= await self._close(minute) if room > 0 else 0
        await self._ledger.looked(self._looked_until(now))
        known = [each for each in self._open.values() if each is not None and each.unaccounted]
        wrong = tuple(line for each in known for line in each.wrong)
        totals = {column: count for column, count in self._totals.items() if count}
        return Audit(wrong, sum(each.unaccounted for each in known), totals, recovered)

    async def _add_minutes(self, now: datetime) -> None:
        """Take up the minutes since the last audit; at first those that the store says are open."""
        end = minute_of(now) + MINUTE
        if self._next is None:
            found = await self._ledger.open_minutes(minute_of(now - _HISTORY), end)
            self._open = dict.fromkeys(found)
            self._next = end
        while self._next < end:
            self._open.setdefault(self._next, None)
            self._next += MINUTE

    async def _recover(self, since: datetime, until: datetime, edge: str) -> int:
        """Write missing entries of settled minutes: at the first look at them, and wherever the books differ."""
        for minute, known in self._open.items():
            if since <= minute < until and (
                known is None or not _settled(minute, known.looked_at) or known.books.difference
            ):
                return await self._ledger.recover_entries(since, until, edge)
        return 0

    async def _compare(self, since: datetime, until: datetime, now: datetime) -> list[datetime]:
        """Compare minutes; return those that can be closed once they are settled. Minutes without mail are done with."""
        found = await compare_minutes(self._store, since, until)
        complete: list[datetime] = []
        for number in range((until - since) // MINUTE):
            minute = since + number * MINUTE
            books = found.get(minute)
            if books is None and _settled(minute, now):
                self._drop(minute)
            else:
                self._keep(minute, books or Minute({}, (), 0), now)
                if books is not None and books.complete:
                    complete.append(minute)
        return complete

    async def _close(self, minute: datetime) -> int:
        """Close a minute, unless it has changed meanwhile; return how many lines it has."""
        lines = await self._ledger.compare(minute, minute + MINUTE)
        if not any(line.unaccounted or line.became[IN_FLIGHT] for line in lines):
            await self._ledger.close(minute, lines)
            self._drop(minute)
        return len(lines)

    def _keep(self, minute: datetime, books: Minute, now: datetime) -> None:
        before = self._open.get(minute)
        wrong, unaccounted = _differing_still(before.books, books) if before else ((), 0)
        self._drop(minute)
        if self._kept_lines + len(books.differing) > _KEPT_LINES:
            books = Minute(books.totals, (), books.difference)
        self._kept_lines += len(books.differing)
        self._totals.update(books.totals)
        self._open[minute] = _Known(now, _when_again(minute, books, now), books, wrong, unaccounted)

    def _drop(self, minute: datetime) -> None:
        known = self._open.pop(minute, None)
        if known is not None:
            self._totals.subtract(known.books.totals)
            self._kept_lines -= len(known.books.differing)

    def _looked_until(self, now: datetime) -> datetime:
        """Return the time before which each minute was looked at when it was settled."""
        waiting = (
            minute
            for minute, known in self._open.items()
            if known is None or not _settled(minute, known.looked_at)
        )
        return min(waiting, default=minute_of(now - SETTLED))


def _settled(minute: datetime, now: datetime) -> bool:
    return minute + MINUTE + SETTLED <= now


def _next_look(minute: datetime, known: _Known | None) -> datetime:
    return known.next_look if known else minute + MINUTE + _PASSED


def _when_again(minute: datetime, books: Minute, now: datetime) -> datetime:
    """Return when to look again: at once after a difference, when it is settled, else when its age has doubled."""
    if books.difference or (books.complete and _settled(minute, now)):
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
