"""Connections without a login: they have a share of the process's places, so a flood of them leaves room for users.

Where a place is needed, the oldest of them ends, if it has had time to log in. Otherwise the new one is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailyard.imap_server.session.session import ImapSession

SECONDS_TO_LOG_IN = 5.0  # that a connection has in any case, once it was accepted


@dataclass(frozen=True, slots=True)
class _Open:
    since: float
    end: Callable[[], None]


class UnauthenticatedSessions:
    """The sessions without a login, in the order in which they came."""

    def __init__(self, most: int, monotonic: Callable[[], float], seconds: float = SECONDS_TO_LOG_IN) -> None:
        """Admit `most` of them; each may stay for `seconds` at least."""
        self._most = most
        self._monotonic = monotonic
        self._seconds = seconds
        self._open: dict[ImapSession, _Open] = {}

    @property
    def are_full(self) -> bool:
        """Whether no more of them may be open."""
        return len(self._open) >= self._most

    def add(self, session: ImapSession, end: Callable[[], None]) -> None:
        """Note a new session; `end` ends it at once and gives its place back."""
        self._open[session] = _Open(self._monotonic(), end)

    def discard(self, session: ImapSession) -> None:
        """Forget a session: it has logged in, or has ended."""
        self._open.pop(session, None)

    def end_oldest(self) -> bool:
        """End the oldest session that has had time to log in; False where there is none.

        A session whose password is being checked stays: few passwords are checked or wait for it at a time.
        """
        latest = self._monotonic() - self._seconds
        for session, opened in self._open.items():
            if opened.since > latest:
                return False
            if not session.is_logging_in:
                del self._open[session]
                opened.end()
                return True
        return False
