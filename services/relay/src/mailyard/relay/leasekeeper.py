"""The legs that this process has claimed, and for how long each claim is safe.

Claims that are not renewed in time count as lost here before they end in the store: no leg has two senders. They are
renewed all the same, so that a transfer that goes on is not repeated by another relay; when the store says that nobody
else has claimed the leg meanwhile, the claim counts again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.runtime.errors import Unavailable
from mailyard.runtime.logs import get_logger
from mailyard.runtime.metrics import gauge
from mailyard.spool.ids import row_id
from mailyard.spool.queue.leases import LEASE, Leases

_RENEW_SECONDS: Final = LEASE.total_seconds() / 4
_RETRY_SECONDS: Final = 1.0  # after a renewal that failed
_SAFE_SECONDS: Final = LEASE.total_seconds() * 3 / 4

_log = get_logger(__name__)


class LeaseKeeper:
    """Claim legs and renew the claims; at most `most` legs are claimed at a time."""

    def __init__(self, leases: Leases, most: int, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._leases = leases
        self._most = most
        self._clock = clock
        self._held: dict[str, tuple[Ticket, float]] = {}
        self._freed = asyncio.Event()
        self._gauge = gauge("mailyard_relay_legs_open")

    @property
    def room(self) -> int:
        """Return how many more legs may be claimed."""
        return self._most - len(self._held)

    async def wait_for_room(self, seconds: float) -> None:
        """Wait until a leg may be claimed. Raises Unavailable when that takes too long."""
        try:
            async with asyncio.timeout(seconds):
                while self.room <= 0:
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise Unavailable(f"{self._most} legs have been in hand for {seconds:.0f} s") from None

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Claim legs; return the tickets of those that are claimed now. Raises Unavailable.

        A leg that this process has already claimed is not claimed again: its transfer goes on, and its report counts.
        """
        until = self._clock() + _SAFE_SECONDS
        free = [ticket for ticket in _newest(tickets) if _key(ticket) not in self._held]
        claimed = await self._leases.claim(free)
        for ticket in claimed:
            self._held[_key(ticket)] = (ticket, until)
        self._gauge.set(len(self._held))
        return claimed

    def ours(self, ticket: Ticket) -> bool:
        """Tell whether no other process can have claimed the leg meanwhile."""
        _, until = self._held.get(_key(ticket), (ticket, 0.0))
        return self._clock() < until

    def release(self, ticket: Ticket) -> None:
        """Forget a leg: its transfer has ended."""
        self._held.pop(_key(ticket), None)
        self._gauge.set(len(self._held))
        self._freed.set()

    async def renew_always(self) -> None:
        """Renew the claims, again and again."""
        pause = _RENEW_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _RENEW_SECONDS if await self.renew() else _RETRY_SECONDS

    async def renew(self) -> bool:
        """Renew all claims, those that count as lost included; return whether the store took it."""
        now = self._clock()
        held = list(self._held.values())
        tickets = [ticket for ticket, _ in held]
        lost = [ticket for ticket, until in held if now >= until]
        try:
            await self._leases.renew(tickets)
            regained = await self._leases.held(lost) if lost else []
        except Unavailable as error:
            _log.warning("relay.claims_not_renewed", legs=len(tickets), error=str(error))
            return False
        still_lost = {_key(ticket) for ticket in lost} - {_key(ticket) for ticket in regained}
        for ticket in tickets:
            if _key(ticket) in self._held and _key(ticket) not in still_lost:
                self._held[_key(ticket)] = (ticket, now + _SAFE_SECONDS)
        return True


def _newest(tickets: Sequence[Ticket]) -> list[Ticket]:
    """Return the newest ticket of each leg: a claim belongs to the leg, so a doubled ticket would be claimed twice."""
    by_epoch = sorted(tickets, key=lambda ticket: ticket.epoch)
    return list({_key(ticket): ticket for ticket in by_epoch}.values())


def _key(ticket: Ticket) -> str:
    return row_id(ticket.spool_id, ticket.leg)
