"""A budget for the octets that all connections of a process hold in memory.

Each connection has a `Holding`. Above the mark (a share of the limit) connections should hold less, for instance by
writing to the store early. At the limit `reserve` refuses. Without a budget, unauthenticated clients could take memory
up to the number of connections times the octets that each may hold.
"""

from mailyard.runtime.metrics import gauge

_MARK_SHARE = 0.5


class MemoryBudget:
    """Counts octets that are held. Not for threads: use it on the event loop only."""

    def __init__(self, limit: int, mark_share: float = _MARK_SHARE) -> None:
        """Allow `limit` octets; the mark is this share of the limit."""
        if limit <= 0 or not 0 < mark_share <= 1:
            raise ValueError("a budget needs a positive limit and a mark within it")
        self.limit = limit
        self.mark = int(limit * mark_share)
        self.held = 0
        self.highest = 0
        gauge("mailyard_connections_held_limit_bytes").set(limit)
        gauge("mailyard_connections_held_bytes").set_function(lambda: self.held)

    @property
    def is_above_mark(self) -> bool:
        """Whether memory is scarce, so that each connection should hold less."""
        return self.held > self.mark

    @property
    def is_exhausted(self) -> bool:
        """Whether the limit is reached, so that nothing new is taken."""
        return self.held >= self.limit

    def holding(self) -> "Holding":
        """Return the account of one connection; it holds nothing yet."""
        return Holding(self)

    def change(self, octets: int) -> None:
        """Count octets in (positive) or out (negative); for `Holding` only."""
        self.held += octets
        self.highest = max(self.highest, self.held)


class Holding:
    """The octets that one connection holds. `release` gives back all of them, and may be called again."""

    __slots__ = ("_budget", "octets")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.octets = 0

    def reserve(self, octets: int) -> bool:
        """Count octets before they are taken, or return False when the budget has no room for them."""
        if self._budget.held + octets > self._budget.limit:
            return False
        self.grow(octets)
        return True

    def grow(self, octets: int) -> None:
        """Count octets that are in memory already, whatever the limit says."""
        self.octets += octets
        self._budget.change(octets)

    def resize(self, octets: int) -> None:
        """Hold exactly so many octets from now on, whatever the limit says."""
        self._budget.change(octets - self.octets)
        self.octets = octets

    def release(self) -> None:
        """Give back everything."""
        self.resize(0)
