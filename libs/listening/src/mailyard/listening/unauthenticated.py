"""A limit on connections without a login, so that a flood of them leaves connections for users.

Where a new one meets the limit, the oldest ends, if it has had time to log in. Otherwise the new one is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mailyard.listening.connection import ClientConnection

SECONDS_TO_LOG_IN = 5.0  # that a connection has in any case, once it was accepted


@dataclass(frozen=True, slots=True)
class _Open:
    since: float
    end: Callable[[], None]


class UnauthenticatedConnections:
    """The connections without a login, in the order in which they were accepted."""

    def __init__(self, most: int, monotonic: Callable[[], float], seconds: float = SECONDS_TO_LOG_IN) -> None:
        """Admit `most` of them; each may stay for `seconds` at least."""
        self._most = most
        self._monotonic = monotonic
        self._seconds = seconds
        self._open: dict[ClientConnection, _Open] = {}

    @property
    def are_full(self) -> bool:
        """Whether no more of them may be open."""
        return len(self._open) >= self._most

    def add(self, connection: ClientConnection, end: Callable[[], None]) -> None:
        """Add a connection; `end` ends it at once and leaves the admission."""
        self._open[connection] = _Open(self._monotonic(), end)

    def discard(self, connection: ClientConnection) -> None:
        """Forget a connection: it has logged in, or has ended."""
        self._open.pop(connection, None)

    def end_oldest(self) -> bool:
        """End the oldest connection that has had time to log in; False where there is none.

        A connection whose password is being checked stays: few passwords are checked or wait for a check at a time.
        """
        latest = self._monotonic() - self._seconds
        for connection, opened in self._open.items():
            if opened.since > latest:
                return False
            if not connection.is_logging_in:
                del self._open[connection]
                opened.end()
                return True
        return False
