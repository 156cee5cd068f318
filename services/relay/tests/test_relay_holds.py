"""Claims in hand, and when they count as lost."""

import asyncio
from collections.abc import Sequence

import pytest

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.holds import Holds
from mailyard.runtime.errors import Unavailable
from mailyard.spool.leases import LEASE


class FakeClaims:
    def __init__(self) -> None:
        self.taken_by_others: set[str] = set()
        self.renewed: list[list[str]] = []
        self.away = False

    async def claim(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return [each for each in tickets if each.spool_id not in self.taken_by_others]

    async def renew(self, tickets: Sequence[Ticket]) -> None:
        if self.away:
            raise Unavailable("the store is away")
        self.renewed.append([each.spool_id for each in tickets])


A, B = Ticket(spool_id="a"), Ticket(spool_id="b")
LENGTH = LEASE.total_seconds()


@pytest.fixture
def claims() -> FakeClaims:
    return FakeClaims()


async def test_only_claimed_legs_are_ours(claims: FakeClaims) -> None:
    claims.taken_by_others = {"b"}
    holds = Holds(claims, 10, lambda: 0.0)
    assert await holds.claim([A, B]) == [A]
    assert holds.ours(A)
    assert not holds.ours(B)
    assert holds.room == 9
    holds.release(A)
    assert not holds.ours(A)
    assert holds.room == 10


async def test_a_doubled_ticket_is_claimed_once_and_the_newest_counts(claims: FakeClaims) -> None:
    holds = Holds(claims, 10, lambda: 0.0)
    newer = Ticket(spool_id="a", epoch=2)
    leg = Ticket(spool_id="a", leg=1)
    assert await holds.claim([A, newer, A, leg]) == [newer, leg]


async def test_a_claim_counts_as_lost_before_it_ends(claims: FakeClaims) -> None:
    now = 0.0
    holds = Holds(claims, 10, lambda: now)
    await holds.claim([A])
    now = LENGTH / 2
    assert holds.ours(A)
    now = LENGTH * 0.9
    assert not holds.ours(A)


async def test_renewing_keeps_claims_that_are_ours(claims: FakeClaims) -> None:
    now = 0.0
    holds = Holds(claims, 10, lambda: now)
    await holds.claim([A])
    now = LENGTH / 2
    await holds.claim([B])
    await holds.renew()
    now = LENGTH
    assert holds.ours(A)
    now = LENGTH * 2
    await holds.renew()
    assert claims.renewed == [["a", "b"], []]
    assert not holds.ours(A)


async def test_a_store_that_is_away_costs_the_claims(claims: FakeClaims) -> None:
    now = 0.0
    holds = Holds(claims, 10, lambda: now)
    await holds.claim([A])
    claims.away = True
    now = LENGTH / 2
    await holds.renew()
    now = LENGTH
    assert not holds.ours(A)


async def test_room_is_waited_for(claims: FakeClaims) -> None:
    holds = Holds(claims, 1, lambda: 0.0)
    await holds.claim([A])
    with pytest.raises(Unavailable):
        await holds.wait_for_room(0.01)
    waiting = asyncio.create_task(holds.wait_for_room(5))
    await asyncio.sleep(0)
    holds.release(A)
    await waiting
