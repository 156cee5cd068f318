"""Claims in hand, and when they count as lost."""

import asyncio
from collections.abc import Sequence

import pytest

from mailyard.proto.v1.ticket_pb2 import Ticket
from mailyard.relay.leasekeeper import LeaseKeeper
from mailyard.runtime.errors import Unavailable
from mailyard.spool.queue.leases import LEASE


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

    async def held(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        return [each for each in tickets if each.spool_id not in self.taken_by_others]


A, B = Ticket(spool_id="a"), Ticket(spool_id="b")
LENGTH = LEASE.total_seconds()


@pytest.fixture
def claims() -> FakeClaims:
    return FakeClaims()


async def test_only_claimed_legs_are_ours(claims: FakeClaims) -> None:
    claims.taken_by_others = {"b"}
    holds = LeaseKeeper(claims, 10, lambda: 0.0)
    assert await holds.claim([A, B]) == [A]
    assert holds.ours(A)
    assert not holds.ours(B)
    assert holds.room == 9
    holds.release(A)
    assert not holds.ours(A)
    assert holds.room == 10


async def test_a_doubled_ticket_is_claimed_once_and_the_newest_counts(claims: FakeClaims) -> None:
    holds = LeaseKeeper(claims, 10, lambda: 0.0)
    newer = Ticket(spool_id="a", epoch=2)
    leg = Ticket(spool_id="a", leg=1)
    assert await holds.claim([A, newer, A, leg]) == [newer, leg]


async def test_a_claim_counts_as_lost_before_it_ends(claims: FakeClaims) -> None:
    now = 0.0
    holds = LeaseKeeper(claims, 10, lambda: now)
    await holds.claim([A])
    now = LENGTH / 2
    assert holds.ours(A)
    now = LENGTH * 0.9
    assert not holds.ours(A)


async def test_renewing_keeps_claims_that_are_ours(claims: FakeClaims) -> None:
    now = 0.0
    holds = LeaseKeeper(claims, 10, lambda: now)
    await holds.claim([A])
    now = LENGTH / 2
    await holds.claim([B])
    await holds.renew()
    now = LENGTH
    assert holds.ours(A)


async def test_claims_that_lapsed_while_the_store_was_unreachable_are_renewed_when_it_is_back(
    claims: FakeClaims,
) -> None:
    now = 0.0
    holds = LeaseKeeper(claims, 10, lambda: now)
    await holds.claim([A, B])
    claims.away = True
    now = LENGTH
    assert not await holds.renew()
    assert not holds.ours(A)
    claims.away = False
    claims.taken_by_others = {"b"}
    assert await holds.renew()
    assert claims.renewed == [["a", "b"]]  # nobody else may begin what goes on here
    assert holds.ours(A)
    assert not holds.ours(B)  # another relay has it


async def test_a_renewal_that_fails_is_repeated_at_once(
    claims: FakeClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailyard.relay.leasekeeper._RENEW_SECONDS", 0.01)
    monkeypatch.setattr("mailyard.relay.leasekeeper._RETRY_SECONDS", 0.001)
    holds = LeaseKeeper(claims, 10, lambda: 0.0)
    await holds.claim([A])
    claims.away = True
    renewing = asyncio.create_task(holds.renew_always())
    await asyncio.sleep(0.02)
    claims.away = False
    async with asyncio.timeout(5):
        while not claims.renewed:  # noqa: ASYNC110  # the fake has no event
            await asyncio.sleep(0.001)
    renewing.cancel()


async def test_a_leg_in_hand_is_not_claimed_again_by_a_newer_ticket(claims: FakeClaims) -> None:
    now = 0.0
    holds = LeaseKeeper(claims, 10, lambda: now)
    await holds.claim([A])
    now = LENGTH * 2  # the claim has lapsed, the transfer goes on, and the reconciler has made a new ticket
    assert await holds.claim([Ticket(spool_id="a", epoch=5), B]) == [B]
    assert not holds.ours(A)
    holds.release(A)
    newest = Ticket(spool_id="a", epoch=6)
    assert await holds.claim([newest]) == [newest]


async def test_room_is_waited_for(claims: FakeClaims) -> None:
    holds = LeaseKeeper(claims, 1, lambda: 0.0)
    await holds.claim([A])
    with pytest.raises(Unavailable):
        await holds.wait_for_room(0.01)
    waiting = asyncio.create_task(holds.wait_for_room(5))
    await asyncio.sleep(0)
    holds.release(A)
    await waiting
