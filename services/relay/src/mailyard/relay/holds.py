"""The legs that this process has claimed, and for how long each claim is safe.

Claims that are not renewed in time count as lost here before they end in the store: no leg has two senders.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge
from mailyard.spool.ids import row_id
from mailyard.spool.leases import LEASE

_RENEW_SECONDS: Final = LEASE.total_seconds() / 4
_SAFE_SECONDS: Final = LEASE.total_seconds() * 3 / 4

_log = get_logger(__name__)


class Claims(Protocol):
    """What is needed of `mailyard.spool.leases.Leases`."""

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Claim legs; the tickets of those that are ours now. Raises Unavailable."""

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        """Hold on to them. Raises Unavailable."""


class Holds:
    """At most `most` legs in hand."""

    def __init__(self, claims: Claims, most: int, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._claims = claims
        self._most = most
        self._clock = clock
        self._held: dict[str, tuple[Ticket, float]] = {}
        self._freed = asyncio.Event()
        self._gauge = gauge("mailyard_relay_legs_open")

    @property
    def room(self) -> int:
        """How many more legs may be claimed."""
        return self._most - len(self._held)

    async def wait_for_room(self, seconds: float) -> None:
        """Until a leg may be claimed. Raises Unavailable when that takes too long."""
        try:
            async with asyncio.timeout(seconds):
                while self.room <= 0:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise Unavailable(f"{self._most} legs have been in hand for {seconds:.0f} s") from None

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Claim legs; the tickets of those that are ours now. Raises Unavailable."""
        until = self._clock() + _SAFE_SECONDS
        claimed = await self._claims.claim(_newest(tickets))
        for ticket in claimed:
            self._held[_key(ticket)] = (ticket, until)
        self._gauge.set(len(self._held))
        return claimed

    def ours(self, ticket: Ticket) -> bool:
        """Whether nobody else can have claimed the leg meanwhile."""
        _, until = self._held.get(_key(ticket), (ticket, 0.0))
        return self._clock() < until

    def release(self, ticket: Ticket) -> None:
        """The leg is out of hand."""
        self._held.pop(_key(ticket), None)
        self._gauge.set(len(self._held))
        self._freed.set()

    async def renew_always(self) -> None:
        """Renew the claims, for ever."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew those claims that are still ours."""
        now = self._clock()
        ours = [ticket for ticket, until in self._held.values() if now < until]
        try:
            await self._claims.renew(ours)
        except Unavailable as error:
            _log.warning("relay.claims_not_renewed", legs=len(ours), error=str(error))
            return
        for ticket in ours:
            if _key(ticket) in self._held:
                self._held[_key(ticket)] = (ticket, now + _SAFE_SECONDS)


def _newest(tickets: Sequence[Ticket]) -> list[Ticket]:
    """One ticket for each leg: a claim is the leg's, so a doubled ticket would be claimed twice."""
    by_epoch = sorted(tickets, key=lambda ticket: ticket.epoch)
    return list({_key(ticket): ticket for ticket in by_epoch}.values())


def _key(ticket: Ticket) -> str:
    return row_id(ticket.spool_id, ticket.leg)
