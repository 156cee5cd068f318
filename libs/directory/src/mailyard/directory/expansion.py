"""Follow aliases to their ends, breadth-first; depth and total are bounded. Pure: the caller resolves.

Each address is followed once, so loops end. An alias that leads only into a loop becomes an `Unknown` with status
5.4.6 (RFC 3463), because mail must end somewhere that a person can see.
"""

from collections.abc import Mapping

from mailyard.directory.model import (
    Destination,
    Expansion,
    FinalResolution,
    LocalAccount,
    Resolution,
    Unknown,
)
from mailyard.message.address import Address

MAX_DEPTH = 10
MAX_DESTINATIONS = 1000

NO_LIVING_TARGET = Unknown("no target of the alias takes mail", "5.1.1")
LOOP = Unknown("alias loop", "5.4.6")
TOO_DEEP = Unknown(f"more than {MAX_DEPTH} levels of aliases", "5.4.6")
TOO_MANY = Unknown(f"the alias leads to more than {MAX_DESTINATIONS} addresses", "5.4.6")


class AliasWalk:
    """The walk from the address `start`; feed it resolutions of `pending` until nothing is pending."""

    def __init__(self, start: Address) -> None:
        self.start = start
        self._level: tuple[Address, ...] = (start,)
        self._depth = 0
        self._seen = {start.key}
        self._destinations: dict[object, Destination] = {}

    @property
    def pending(self) -> tuple[Address, ...]:
        """The addresses whose resolution is needed next; empty at the end."""
        return self._level

    @property
    def leads_somewhere(self) -> bool:
        """An end that takes mail has been reached."""
        return any(not isinstance(each.resolution, Unknown) for each in self._destinations.values())

    def feed(self, resolutions: Mapping[Address, Resolution]) -> None:
        """Take one step, with at least the resolutions of `pending`."""
        following: list[Address] = []
        for address in self._level:
            resolution = resolutions[address]
            if isinstance(resolution, Expansion):
                if resolution.account is not None:
                    self._arrive(resolution.account.address, resolution.account)
                following += self._unseen(address, resolution)
            else:
                self._arrive(address, resolution)
        self._level = tuple(following)
        self._depth += 1
        if len(self._destinations) + len(following) > MAX_DESTINATIONS:
            self._level, self._destinations = (), {None: Destination(self.start, TOO_MANY)}

    def destinations(self) -> tuple[Destination, ...]:
        """All ends, each account and each address once, in the order in which they were reached."""
        return tuple(self._destinations.values()) or (Destination(self.start, LOOP),)

    def _unseen(self, address: Address, expansion: Expansion) -> list[Address]:
        if self._depth >= MAX_DEPTH:
            self._arrive(address, TOO_DEEP)
            return []
        new = {target.key: target for target in expansion.targets if target.key not in self._seen}
        self._seen.update(new)
        return list(new.values())

    def _arrive(self, address: Address, resolution: FinalResolution) -> None:
        """An account that is reached twice, by whatever addresses, gets one copy."""
        identity = resolution.account.id if isinstance(resolution, LocalAccount) else address.key
        self._destinations.setdefault(identity, Destination(address, resolution))
