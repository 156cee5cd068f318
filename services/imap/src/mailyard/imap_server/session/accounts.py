"""Number of sessions of each account in this process."""

from collections import Counter


class AccountSessions:
    """Counter of logged-in sessions by account. Not thread-safe: use it on the event loop only."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def add(self, account: str, most: int) -> bool:
        """Count a session; return False where the account has `most` already. 0: no limit."""
        if most and self._open[account] >= most:
            return False
        self._open[account] += 1
        return True

    def remove(self, account: str) -> None:
        """Undo one `add`."""
        self._open[account] -= 1
        if self._open[account] <= 0:
            del self._open[account]
