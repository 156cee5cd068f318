"""The speed of sites, learned from their replies: slow sites get fewer connections, sites of good standing get the reserve. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

SLOW_SECONDS: Final = 60.0  # of waiting for replies in one use of a connection
QUICK_SECONDS: Final = 20.0
_MOST_HALVINGS: Final = 6
_MOST_SITES: Final = 20_000
_REMEMBERED_SECONDS: Final = 3600.0


class Standing(Enum):
    """How fast a site is, in the order in which sites are served."""

    GOOD = auto()
    UNKNOWN = auto()
    SLOW = auto()


@dataclass(frozen=True, slots=True)
class Speed:
    """`halvings`: how often the site's connections were halved; `measured`: whether it was ever quick or slow."""

    halvings: int = 0
    measured: bool = False

    @property
    def standing(self) -> Standing:
        """Return the class of the site, which limits its share of all connections."""
        if self.halvings:
            return Standing.SLOW
        return Standing.GOOD if self.measured else Standing.UNKNOWN

    def after(self, waited: float) -> "Speed":
        """Return the speed after one more use, in which replies were waited for so many seconds."""
        if waited >= SLOW_SECONDS:
            return Speed(min(self.halvings + 1, _MOST_HALVINGS), measured=True)
        if waited <= QUICK_SECONDS:
            return Speed(max(self.halvings - 1, 0), measured=True)
        return replace(self, measured=True)

    def share(self, connections: int) -> int:
        """Return how many of a site's connections it may have now; at least one."""
        return max(1, connections >> self.halvings)


class Speeds:
    """The speeds of the sites of the last hour; the least used are forgotten when there are too many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Speed]] = OrderedDict()

    def of(self, site: str) -> Speed:
        """Return the speed of a site."""
        at, speed = self._known.get(site, (0.0, Speed()))
        return speed if self._clock() - at < _REMEMBERED_SECONDS else Speed()

    def measure(self, site: str, waited: float) -> Speed:
        """Add one use, and return the new speed."""
        speed = self.of(site).after(waited)
        self._known[site] = (self._clock(), speed)
        self._known.move_to_end(site)
        if len(self._known) > _MOST_SITES:
            self._known.popitem(last=False)
        return speed
