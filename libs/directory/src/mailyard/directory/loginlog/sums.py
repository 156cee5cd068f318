"""Sums up equal logins, so that neither a client that polls nor a flood of guesses fills the log. No I/O.

The first of equal logins is a row at once. Those that follow within a window are one more row at its end, with their
number. A minute has at most `LINES_OF_A_MINUTE` different lines of one account; the others are counted together, by
service and result.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from mailyard.directory.loginlog.log import LoggedLogins, LoginLine

ACCEPTED = "accepted"
ACCEPTED_SECONDS = 6 * 3600.0
REFUSED_SECONDS = 60.0
LINES_OF_A_MINUTE = 10
_MINUTE = 60.0
_MOST_LINES = 50_000
_CHARACTERS = {"service": 20, "client": 45, "name": 100}
_NO_NAMES = {"client": "", "proof": "", "name": ""}


@dataclass(slots=True)
class _Sum:
    """Logins after the first of a window: `begun` and `ends` are monotonic seconds."""

    ends: float
    at: datetime
    last: datetime
    count: int = 0


class LoginSums:
    """The open sums of one process."""

    def __init__(self, *, most_lines: int = _MOST_LINES) -> None:
        """Sum up at most `most_lines` of right and of wrong logins; beyond, the oldest sum ends early."""
        self._most_lines = most_lines
        self._accepted: dict[LoginLine, _Sum] = {}  # both in the order of their ends
        self._refused: dict[LoginLine, _Sum] = {}
        self._lines: Counter[str] = Counter()  # of this minute, by account
        self._minute_ends = 0.0

    def add(self, line: LoginLine, now: datetime, clock: float) -> list[LoggedLogins]:
        """Count a login; return the rows that are to be stored now."""
        line = replace(line, **{field: getattr(line, field)[:most] for field, most in _CHARACTERS.items()})
        accepted = line.result == ACCEPTED
        sums = self._accepted if accepted else self._refused
        if line not in sums and not self._has_room(line.account, clock):
            line = replace(line, **_NO_NAMES)
        found = sums.get(line)
        if found is not None and found.ends > clock:
            if not found.count:
                found.at = now
            found.count, found.last = found.count + 1, now
            return []
        ended = _end(sums, line)
        if len(sums) >= self._most_lines:
            ended += _end(sums, next(iter(sums)))
        sums[line] = _Sum(clock + (ACCEPTED_SECONDS if accepted else REFUSED_SECONDS), now, now)
        return [*ended, LoggedLogins(line, now, now, 1)]

    def ended(self, clock: float, limit: int) -> list[LoggedLogins]:
        """Return rows of sums whose window is over, of at most `limit` right and as many wrong ones."""
        found: list[LoggedLogins] = []
        for sums in (self._accepted, self._refused):
            for line in [line for line, each in islice(sums.items(), limit) if each.ends <= clock]:
                found += _end(sums, line)
        return found

    def _has_room(self, account: str, clock: float) -> bool:
        """Count a new line of an account in this minute; return whether it is not one too many."""
        if clock >= self._minute_ends:
            self._lines.clear()
            self._minute_ends = clock + _MINUTE
        self._lines[account] += 1
        return self._lines[account] <= LINES_OF_A_MINUTE


def _end(sums: dict[LoginLine, _Sum], line: LoginLine) -> list[LoggedLogins]:
    found = sums.pop(line, None)
    if found is None or not found.count:
        return []
    return [LoggedLogins(line, found.at, found.last, found.count)]
